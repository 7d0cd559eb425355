import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ErrorCode } from '../platform/errors.ts';
import { escapeHtml } from '../platform/html.ts';
import { isId } from '../platform/id.ts';
import type { DevMailbox, StoredMail } from '../platform/mail/index.ts';
import { developmentOnly } from './development-only.ts';
import { sendError } from './error-replies.ts';

const STYLE = `
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 52rem; padding: 1.5rem 1rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.25rem; }
ol { list-style: none; padding: 0; }
li a { display: block; padding: .7rem 0; border-bottom: 1px solid #8886; color: inherit; text-decoration: none; }
li a:hover, li a:focus-visible { background: #8882; }
small { display: block; opacity: .75; }
iframe { width: 100%; height: 32rem; border: 1px solid #8886; background: #fff; }
pre { white-space: pre-wrap; padding: 1rem; border: 1px solid #8886; }
`;

const PAGE_POLICY =
  `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; ` +
  "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Shows a mail as mail clients do: without scripts, without loading anything, and with links in a new tab. */
const MAIL_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; " +
  'sandbox allow-popups allow-popups-to-escape-sandbox';

export interface MailboxOptions {
  readonly mailbox: DevMailbox;
  readonly fork: () => EntityManager;
}

/**
 * `/dev/mailbox`: the mails that would have been sent, newest first. JSON for a client that accepts JSON first.
 * Development only, and only while no SMTP_URL is set.
 */
export function mailboxRoutes({ mailbox, fork }: MailboxOptions) {
  return async (app: FastifyInstance): Promise<void> => {
    const route = { onRequest: developmentOnly, config: { anyRequestId: true } };
    const find = (id: string) => (isId(id) ? mailbox.find(fork(), id) : null);

    app.get('/dev/mailbox', route, async (request, reply) => {
      const mails = await mailbox.list(fork());
      reply.header('cache-control', 'no-store').header('vary', 'accept');
      if (request.headers.accept?.startsWith('application/json')) return reply.send(mails.map(asJson));
      return sendPage(reply, 'Mailbox', renderList(mails));
    });

    app.get<{ Params: { id: string } }>('/dev/mailbox/:id', route, async ({ params }, reply) => {
      const mail = await find(params.id);
      return mail ? sendPage(reply, mail.subject, renderMail(mail)) : sendNotFound(reply);
    });

    app.get<{ Params: { id: string } }>('/dev/mailbox/:id/html', route, async ({ params }, reply) => {
      const mail = await find(params.id);
      if (!mail) return sendNotFound(reply);
      return reply
        .headers({ 'content-security-policy': MAIL_POLICY, 'cache-control': 'no-store' })
        .type('text/html; charset=utf-8')
        .send(mail.html.replace('<head>', '<head><base target="_blank">'));
    });
  };
}

const sendNotFound = (reply: FastifyReply): FastifyReply =>
  sendError(reply, 404, { code: ErrorCode.NOT_FOUND, message: 'Not found.' });

const asJson = ({ id, at, to, subject, text, html }: StoredMail) => ({
  id,
  at: at.toISOString(),
  to,
  subject,
  text,
  html,
});

function sendPage(reply: FastifyReply, title: string, body: string): FastifyReply {
  return reply
    .headers({ 'content-security-policy': PAGE_POLICY, 'cache-control': 'no-store' })
    .type('text/html; charset=utf-8')
    .send(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`);
}

const timeOf = (at: Date): string => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;

function renderList(mails: readonly StoredMail[]): string {
  const items = mails.map(
    ({ id, at, to, subject }) =>
      `<li><a href="/dev/mailbox/${id}">${escapeHtml(subject)}<small>to ${escapeHtml(to)}, ${timeOf(at)}</small></a></li>`,
  );
  const list = items.length > 0 ? `<ol>\n${items.join('\n')}\n</ol>` : '<p>No mail yet.</p>';
  return `<h1>Mailbox</h1>
<p>Mails that would be sent if SMTP_URL were set, newest first.</p>
${list}`;
}

function renderMail({ id, at, to, subject, text }: StoredMail): string {
  return `<p><a href="/dev/mailbox">All mails</a></p>
<h1>${escapeHtml(subject)}</h1>
<p>to ${escapeHtml(to)}, ${timeOf(at)}</p>
<iframe src="/dev/mailbox/${id}/html" title="The mail as HTML" sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>
<h2>As text</h2>
<pre>${withLinks(text)}</pre>`;
}

const withLinks = (text: string): string =>
  text
    .split(/(https?:\/\/[^\s<>"']+)/)
    .map((part, index) => {
      const escaped = escapeHtml(part);
      return index % 2 === 1 ? `<a href="${escaped}" target="_blank" rel="noopener">${escaped}</a>` : escaped;
    })
    .join('');
