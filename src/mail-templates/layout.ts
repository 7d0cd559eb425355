import { escapeHtml } from '../platform/html.ts';

/** A button of a mail, or a code that its reader enters elsewhere. */
export type Action = ActionFacts & ({ readonly url: string } | { readonly code: string });

interface ActionFacts {
  /** Text above the button, when there are several. */
  readonly about?: string;
  readonly label: string;
}

/** The content of a mail. The layout is the same for all mails. */
export interface MailContent {
  readonly subject: string;
  readonly paragraphs: readonly string[];
  /** Buttons or codes: one action, or several to choose from. */
  readonly actions?: readonly Action[];
  /** Text below the button, in small print. */
  readonly smallPrint?: readonly string[];
}

/** A mail as plain text and HTML. */
export interface RenderedMail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const COLUMNS = 72;

/**
 * Renders HTML with inline styles in one column, which phones and old clients show alike, and the same as plain text.
 */
export function render(content: MailContent, productName: string): RenderedMail {
  return {
    subject: content.subject,
    text: asText(content, productName),
    html: asHtml(content, productName),
  };
}

function asText({ paragraphs, actions = [], smallPrint = [] }: MailContent, productName: string): string {
  const blocks = [
    ...paragraphs.map(wrap),
    ...actions.flatMap((action) => [
      ...(action.about === undefined ? [] : [wrap(action.about)]),
      `${action.label}:\n${'url' in action ? action.url : action.code}`,
    ]),
    ...smallPrint.map(wrap),
    `-- \n${productName}`,
  ];
  return `${blocks.join('\n\n')}\n`;
}

function asHtml(
  { subject, paragraphs, actions = [], smallPrint = [] }: MailContent,
  productName: string,
): string {
  const paragraph = (text: string) => `<p style="margin:0 0 16px">${escapeHtml(text)}</p>`;
  const body = paragraphs.map(paragraph).join('\n');
  const ways = actions
    .map((action) => {
      const about = action.about === undefined ? '' : paragraph(action.about);
      return about + ('url' in action ? button(action.label, action.url) : code(action.label, action.code));
    })
    .join('\n');
  const small = smallPrint
    .map((text) => `<p style="margin:0 0 8px;font-size:13px;color:#555555">${escapeHtml(text)}</p>`)
    .join('\n');
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(subject)}</title></head>
<body style="margin:0;background:#f3f4f6;font-family:-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5;color:#1a1a1a">
<div style="max-width:520px;margin:0 auto;padding:32px 20px">
<div style="background:#ffffff;border-radius:8px;padding:28px 24px">
<h1 style="margin:0 0 16px;font-size:20px;line-height:1.3">${escapeHtml(subject)}</h1>
${body}
${ways}
${small}
</div>
<p style="margin:16px 0 0;font-size:12px;color:#777777;text-align:center">${escapeHtml(productName)}</p>
</div>
</body>
</html>
`;
}

const button = (label: string, url: string): string =>
  `<p style="margin:24px 0"><a href="${escapeHtml(url)}" style="display:inline-block;padding:12px 20px;background:#1f4d8f;color:#ffffff;text-decoration:none;border-radius:6px;font-weight:600">${escapeHtml(label)}</a></p>
<p style="margin:0 0 16px;font-size:13px;color:#555555">Or copy this address into your browser:<br><span style="word-break:break-all">${escapeHtml(url)}</span></p>`;

const code = (label: string, value: string): string =>
  `<p style="margin:24px 0 16px">${escapeHtml(label)}. Enter this code:<br><code style="font-size:15px;word-break:break-all">${escapeHtml(value)}</code></p>`;

function wrap(paragraph: string): string {
  const lines = [''];
  for (const word of paragraph.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > COLUMNS) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}
