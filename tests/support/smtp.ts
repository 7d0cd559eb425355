import PostalMime from 'postal-mime';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import { CERTIFICATE, CERTIFICATE_KEY } from './certificate.ts';
import { freePort } from './process.ts';
import { eventually } from './race.ts';
import { noteSecret } from './secret-watch.ts';

/** A mail that the server accepted. */
export interface ReceivedMail {
  readonly at: number;
  /** Envelope and login of the connection that delivered it. */
  readonly to: string;
  readonly user: string | undefined;
  readonly encrypted: boolean;
  /** The mail as a mail client parses it. */
  readonly from: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
  readonly headers: ReadonlyArray<{ key: string; value: string }>;
}

/**
 * The answer to a mail: a number is an SMTP reply to its recipient, `silence` is no reply to the recipient,
 * `late silence` none to the whole mail.
 */
export type Answer = 'take' | 'silence' | 'late silence' | number;

export interface SmtpOptions {
  /** `starttls`: offered, and required before a login. `smtps`: from the first byte. */
  readonly encryption?: 'none' | 'starttls' | 'smtps';
  /** Required, when it is set. */
  readonly login?: { readonly user: string; readonly password: string };
}

/**
 * A real mail server on loopback. It keeps the mails that it accepts, and may refuse, hang, stop and restart.
 */
export class TestSmtp {
  readonly mails: ReceivedMail[] = [];
  /** Recipients in the order in which they were named, accepted or not. */
  readonly asked: string[] = [];
  /** The answer to each recipient. A test replaces it. */
  answer: (recipient: string) => Answer | Promise<Answer> = () => 'take';

  /** The answer to the sender. */
  answerSender: () => 'take' | number = () => 'take';

  private readonly silent = new Set<string>();
  private server: SMTPServer | undefined;

  private constructor(
    readonly port: string,
    private readonly options: SmtpOptions,
  ) {}

  static async start(options: SmtpOptions = {}): Promise<TestSmtp> {
    const smtp = new TestSmtp(await freePort(), options);
    await smtp.restart();
    return smtp;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** @returns the one mail to that address, when it has arrived. */
  async mailTo(address: string, { withinMilliseconds = 5_000 } = {}): Promise<ReceivedMail> {
    const [mail] = await this.mailsTo(address, 1, { withinMilliseconds });
    if (!mail) throw new Error('no mail');
    return mail;
  }

  /** @returns the mails to that address, the oldest first, when there are that many. */
  mailsTo(address: string, count: number, { withinMilliseconds = 5_000 } = {}): Promise<ReceivedMail[]> {
    return eventually(
      async () => this.mails.filter(({ to }) => to === address),
      (mails) => mails.length >= count,
      { withinMilliseconds },
    );
  }

  /** Forgets the mails to that address. */
  forget(address: string): void {
    for (const mail of this.mails.filter(({ to }) => to === address)) {
      this.mails.splice(this.mails.indexOf(mail), 1);
    }
    while (this.asked.includes(address)) this.asked.splice(this.asked.indexOf(address), 1);
  }

  async restart(): Promise<void> {
    await this.stop();
    const { encryption = 'none', login } = this.options;
    const server = new SMTPServer({
      secure: encryption === 'smtps',
      ...(encryption !== 'none' && { key: CERTIFICATE_KEY, cert: CERTIFICATE }),
      disabledCommands: [...(encryption === 'none' ? ['STARTTLS'] : []), ...(login ? [] : ['AUTH'])],
      allowInsecureAuth: encryption === 'none',
      authOptional: !login,
      closeTimeout: 50,
      disableReverseLookup: true,
      onAuth: ({ username, password }, _session, reply) => {
        const right = username === login?.user && password === login?.password;
        reply(right ? null : refusal(535), right ? { user: username ?? '' } : undefined);
      },
      onMailFrom: (_address, _session, reply) => {
        const answer = this.answerSender();
        reply(answer === 'take' ? null : refusal(answer));
      },
      onRcptTo: ({ address }, _session, reply) => {
        this.asked.push(address);
        void this.meet(address).then((answer) => {
          if (answer === 'silence') return;
          reply(typeof answer === 'number' ? refusal(answer) : null);
        });
      },
      onData: (stream, session, reply) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => void this.take(Buffer.concat(chunks), session).then(() => reply(null)));
      },
    });
    // Some tests disconnect a client in the middle.
    server.on('error', () => {});
    await new Promise<void>((resolve) => server.listen(Number(this.port), '127.0.0.1', resolve));
    this.server = server;
  }

  /** Cuts connections and refuses new ones, but keeps the accepted mails. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  private async meet(recipient: string): Promise<Answer> {
    const answer = await this.answer(recipient);
    if (answer === 'late silence') this.silent.add(recipient);
    else this.silent.delete(recipient);
    return answer === 'late silence' ? 'take' : answer;
  }

  private async take(raw: Buffer, session: SMTPServerSession): Promise<void> {
    const { from, subject = '', text = '', html = '', messageId = '', headers } = await PostalMime.parse(raw);
    noteSecret('mailed token', /#token=([\w-]+)/.exec(text)?.[1]);
    for (const { address: to } of session.envelope.rcptTo) {
      this.mails.push({
        at: performance.now(),
        to,
        user: session.user as string | undefined,
        encrypted: session.secure,
        from: `${from?.name ?? ''} <${from?.address ?? ''}>`,
        subject,
        text,
        html,
        messageId,
        headers,
      });
      if (this.silent.has(to)) await new Promise(() => {});
    }
  }
}

const refusal = (responseCode: number): Error =>
  Object.assign(new Error(`refused with ${responseCode}, quoting marked-by-the-server`), { responseCode });
