import { createHash } from 'node:crypto';
import type { Transporter } from 'nodemailer';
import { type Mail, type MailTransport, Undeliverable } from './mail.ts';

/** In milliseconds. */
const CONNECT_TIMEOUT = 10_000;
/**
 * Milliseconds without data from the server. It may check a mail before it confirms it (RFC 5321 section 4.5.3.2.6).
 */
const SILENCE_TIMEOUT = 30_000;
/** Milliseconds for a whole mail, since a server that answers byte by byte is never silent. */
const DEADLINE = 60_000;
const CONNECTIONS = 4;

export interface SmtpOptions {
  /**
   * `smtp://user:password@host:587` (STARTTLS when offered; `?requireTLS=true` insists, and so does a password that
   * leaves the machine) or `smtps://` (TLS from the first byte).
   */
  readonly url: string;
  /** `Name <address>`. */
  readonly from: string;
  /** Milliseconds. */
  readonly silenceTimeout?: number;
  readonly deadline?: number;
  /** Milliseconds for the connection, the name and the greeting, each. */
  readonly connectTimeout?: number;
}

/** Sends mails through the mail server of the operator. */
export class SmtpTransport implements MailTransport {
  /** Without SMTP_URL the library is never loaded. */
  private readonly transporter: Promise<Transporter>;
  private readonly messageIdHost: string;
  private readonly deadline: number;

  constructor({
    url,
    from,
    silenceTimeout = SILENCE_TIMEOUT,
    deadline = DEADLINE,
    connectTimeout = CONNECT_TIMEOUT,
  }: SmtpOptions) {
    const options = {
      url: withoutBarePassword(url),
      pool: true as const,
      maxConnections: CONNECTIONS,
      connectionTimeout: connectTimeout,
      greetingTimeout: connectTimeout,
      socketTimeout: silenceTimeout,
      dnsTimeout: connectTimeout,
      // A template can never make nodemailer read a file or fetch a page.
      disableFileAccess: true,
      disableUrlAccess: true,
      // Nodemailer's own log names recipients.
      logger: false,
    };
    this.transporter = import('nodemailer').then(({ createTransport }) => createTransport(options, { from }));
    this.messageIdHost = /@([^>\s]+)/.exec(from)?.[1] ?? 'localhost';
    this.deadline = deadline;
  }

  async deliver({ to, subject, text, html }: Mail, id: string, signal: AbortSignal): Promise<void> {
    try {
      const transporter = await this.transporter;
      await transporter.sendMail({
        to: { name: '', address: to },
        subject,
        text,
        html,
        messageId: `<${id}.${digestOf(text)}@${this.messageIdHost}>`,
        // RFC 3834 section 5: no out-of-office answers to these.
        headers: { 'Auto-Submitted': 'auto-generated' },
        // Ends the attempt and its connection. An attempt that goes on in the background could still send after the
        // next one.
        signal: AbortSignal.any([signal, AbortSignal.timeout(this.deadline)]),
      });
    } catch (error) {
      const message = `the mail server did not accept the mail: ${factsOf(error)}`;
      throw isPermanent(error as SmtpError) ? new Undeliverable(message) : new Error(message);
    }
  }

  /** Connects and logs in, and sends nothing. @throws with the reason, without what the server said. */
  async verify(): Promise<void> {
    try {
      await (await this.transporter).verify();
    } catch (error) {
      throw new Error(factsOf(error));
    }
  }

  async close(): Promise<void> {
    (await this.transporter).close();
  }
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Allows a password in clear text only to this machine, whatever the URL says and the server offers. */
function withoutBarePassword(url: string): string {
  const parsed = new URL(url);
  if (parsed.protocol !== 'smtp:' || parsed.password === '' || LOOPBACK.test(parsed.hostname)) return url;
  parsed.searchParams.delete('ignoreTLS');
  parsed.searchParams.set('requireTLS', 'true');
  return parsed.href;
}

/**
 * Part of the Message-ID, which identifies one version of one message (RFC 5322 section 3.6.4). A mailbox may drop a
 * repetition. It must not drop a retry with a new token, which has voided the token before.
 */
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Failures of this machine or the network. Their messages quote nothing from a server. */
const LOCAL = ['ESOCKET', 'ETLS', 'EDNS', 'ECONNECTION', 'ETIMEDOUT'];
/** Authentication or encryption is missing (RFC 4954 section 6, RFC 3207 section 4). */
const NEEDS_SETTINGS = [530, 534, 535, 538];

/** Describes a failure by its codes only, since the text of a mail server may quote the recipient. */
function factsOf(error: unknown): string {
  const { code, responseCode, command, message: said } = error as SmtpError;
  const facts = [code, responseCode, command].filter((fact) => fact !== undefined).join(' ');
  const local = code !== undefined && LOCAL.includes(code) && responseCode === undefined;
  return `${facts || 'no connection'}${local ? ` (${said})` : ''}`;
}

interface SmtpError extends Error {
  code?: string;
  responseCode?: number;
  command?: string;
}

/**
 * Whether a failure ends the mail. RFC 5321 section 4.2.1: 5yz is a permanent failure. It ends a mail when it concerns
 * this recipient or this message. A failure of the login or the sender is for the operator to correct, and the mails
 * wait for that.
 */
function isPermanent({ code, responseCode = 0, command }: SmtpError): boolean {
  const aboutMail = code === 'EMESSAGE' || (code === 'EENVELOPE' && command !== 'MAIL FROM');
  return aboutMail && responseCode >= 500 && !NEEDS_SETTINGS.includes(responseCode);
}
