import { createTransport, type Transporter } from 'nodemailer';
import { type Mail, type MailTransport, Undeliverable } from './mail.ts';

/** Milliseconds. Together below the lease of a job (mail-worker.ts), so that no other worker sends it meanwhile. */
const CONNECT_TIMEOUT = 5_000;
const SILENCE_TIMEOUT = 8_000;
const DEADLINE = 20_000;
const CONNECTIONS = 4;

export interface SmtpOptions {
  /** `smtp://user:password@host:587` (STARTTLS when offered; `?requireTLS=true` insists) or `smtps://` (TLS from the first byte). */
  readonly url: string;
  /** `Name <address>`. */
  readonly from: string;
}

/** Hands mails to the mail server of the operator. */
export class SmtpTransport implements MailTransport {
  private readonly transporter: Transporter;
  private readonly messageIdHost: string;

  constructor({ url, from }: SmtpOptions) {
    this.transporter = createTransport(
      {
        url,
        pool: true,
        maxConnections: CONNECTIONS,
        connectionTimeout: CONNECT_TIMEOUT,
        greetingTimeout: CONNECT_TIMEOUT,
        socketTimeout: SILENCE_TIMEOUT,
        dnsTimeout: CONNECT_TIMEOUT,
        // A template can never make it read a file or fetch a page.
        disableFileAccess: true,
        disableUrlAccess: true,
      },
      { from },
    );
    this.messageIdHost = /@([^>\s]+)/.exec(from)?.[1] ?? 'localhost';
  }

  async deliver(mail: Mail, id: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('the mail server took too long')), DEADLINE);
    });
    try {
      await Promise.race([this.send(mail, id), tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.transporter.close();
  }

  private async send({ to, subject, text, html }: Mail, id: string): Promise<void> {
    try {
      await this.transporter.sendMail({
        to: { name: '', address: to },
        subject,
        text,
        html,
        messageId: `<${id}@${this.messageIdHost}>`,
        // RFC 3834 section 5: no out-of-office answers to these.
        headers: { 'Auto-Submitted': 'auto-generated' },
      });
    } catch (error) {
      throw describe(error);
    }
  }
}

/** What a mail server says may quote the recipient, so only its codes are kept. */
function describe(error: unknown): Error {
  const { code, responseCode, command } = error as { code?: string; responseCode?: number; command?: string };
  const facts = [code, responseCode, command].filter((fact) => fact !== undefined).join(' ');
  // RFC 5321 section 4.2.1: 5yz is a permanent failure. That of a login or a greeting is the operator's to mend.
  const permanent =
    (code === 'EENVELOPE' || code === 'EMESSAGE') && responseCode !== undefined && responseCode >= 500;
  const message = `the mail server did not take it: ${facts || 'no connection'}`;
  return permanent ? new Undeliverable(message) : new Error(message);
}
