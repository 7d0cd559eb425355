import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { escapeHtml } from '../platform/html.ts';

/** A page of the gateway itself, for deployments without a front end. */
export interface Page {
  readonly title: string;
  /** HTML. It contains all later messages as hidden elements, so that the script creates none. */
  readonly body: string;
  /** Runs in the browser, unchanged. */
  readonly script: string;
}

/** Settings that all pages share. */
export interface PageSetting {
  readonly productName: string;
  /** Origin of the front end, to which a finished page links; null without one. */
  readonly home: string | null;
}

const STYLE = `
:root { color-scheme: light dark; --quiet: #5b6470; --line: #b9c0c9; --act: #1f4d8f; --on-act: #ffffff; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --quiet: #a7b0bc; --line: #4b5563; --act: #9ec1f7; --on-act: #10233f; --wrong: #ffb4ab; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; font: 1.0625rem/1.5 system-ui, sans-serif; }
main { max-width: 28rem; margin: 0 auto; padding: 3rem 1.25rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
a { color: var(--act); }
label { display: block; margin: 1.25rem 0 .25rem; font-weight: 600; }
label.choice { font-weight: 400; margin: .5rem 0 0; }
input[type=password], input[type=text] { width: 100%; padding: .7rem; font: inherit; border: 1px solid var(--line); border-radius: .4rem; }
input[aria-invalid=true] { border-color: var(--wrong); }
button { margin-top: 1.5rem; padding: .75rem 1.25rem; font: inherit; font-weight: 600; border: 0; border-radius: .4rem; background: var(--act); color: var(--on-act); cursor: pointer; }
button:disabled { opacity: .6; cursor: default; }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
.wrong { color: var(--wrong); margin: .4rem 0 0; }
footer { margin-top: 3rem; font-size: .875rem; color: var(--quiet); }
`;

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Allows only the page's own script and style, by their hashes, and requests to this gateway. */
const policyOf = ({ script }: Page): string =>
  [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(STYLE)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');

const render = ({ title, body, script }: Page, { productName, home }: PageSetting): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)} · ${escapeHtml(productName)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<noscript><p>This page needs JavaScript, which your browser does not run.</p></noscript>
${body}
<p id="problem" class="wrong" role="alert" hidden></p>
<p id="outcome" role="status" tabindex="-1" hidden></p>
${home === null ? '' : `<p id="onward" hidden><a href="${escapeHtml(home)}">Go on to ${escapeHtml(new URL(home).host)}</a></p>\n`}<footer>${escapeHtml(productName)}</footer>
</main>
<script>${script}</script>
</body>
</html>
`;

/** Serves a page. A request for it reveals nothing about its visitor, since the token is in the fragment. */
export function servePage(app: FastifyInstance, path: string, page: Page, setting: PageSetting): void {
  const html = render(page, setting);
  const headers = { 'content-security-policy': policyOf(page), 'cache-control': 'no-store' };
  app.get(path, { config: { anyRequestId: true, anyAge: true } }, async (_request, reply) =>
    reply.headers(headers).type('text/html; charset=utf-8').send(html),
  );
}
