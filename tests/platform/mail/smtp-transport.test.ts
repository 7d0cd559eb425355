import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { SmtpTransport, Undeliverable } from '../../../src/platform/mail/index.ts';
import { CERTIFICATE } from '../../support/certificate.ts';
import { freePort } from '../../support/process.ts';
import { elapse, eventually } from '../../support/race.ts';
import { type SmtpOptions, TestSmtp } from '../../support/smtp.ts';

const FROM = 'Orchard <hello@orchard.example>';
const MAIL = {
  to: 'ada@example.test',
  subject: 'Grüße, Łukasz',
  text: 'A line.\n\nhttps://example.test/confirm-email#token=abc\n\n',
  html: '<p>A line.</p>\n',
};
const LOGIN = { user: 'gate@house', password: 'p%40ss/w:rd' };
const CREDENTIALS = `${encodeURIComponent(LOGIN.user)}:${encodeURIComponent(LOGIN.password)}`;
const never = new AbortController().signal;

let smtp: TestSmtp | undefined;
let transport: SmtpTransport | undefined;
afterEach(async () => {
  await transport?.close();
  await smtp?.stop();
});

async function serve(options: SmtpOptions = {}): Promise<TestSmtp> {
  smtp = await TestSmtp.start(options);
  return smtp;
}
function to(url: string, options: Partial<ConstructorParameters<typeof SmtpTransport>[0]> = {}) {
  transport = new SmtpTransport({ url, from: FROM, ...options });
  return transport;
}
const failure = (delivery: Promise<void>) =>
  delivery.then(
    () => new Error('it was taken'),
    (error: Error) => error,
  );

describe('a message to the SMTP server', () => {
  it('has the written content', async () => {
    const { url, mails } = await serve();
    await to(url).deliver(MAIL, 'an-id', never);
    const [mail] = mails;
    expect(mail).toMatchObject({ to: MAIL.to, subject: MAIL.subject, from: FROM, encrypted: false });
    expect(mail?.text.trim()).toBe(MAIL.text.trim());
    expect(mail?.html.trim()).toBe(MAIL.html.trim());
  });

  it('has one Message-ID for each version of a mail, and another one for a new token', async () => {
    const { url, mails } = await serve();
    const { deliver } = to(url);
    const send = deliver.bind(transport);
    await send(MAIL, 'an-id', never);
    await send(MAIL, 'an-id', never);
    await send({ ...MAIL, text: MAIL.text.replace('abc', 'def') }, 'an-id', never);
    await send(MAIL, 'another-id', never);
    const [first, again, renewed, other] = mails.map(({ messageId }) => messageId);
    expect(again).toBe(first);
    expect(new Set([first, renewed, other]).size).toBe(3);
  });
});

describe('a refusal', () => {
  it.each([550, 552, 554])('of the recipient with %i is final', async (code) => {
    const server = await serve();
    server.answer = () => code;
    expect(await failure(to(server.url).deliver(MAIL, 'an-id', never))).toBeInstanceOf(Undeliverable);
  });

  it.each([450, 451, 452, 530])('with %i is worth another attempt', async (code) => {
    const server = await serve();
    server.answer = () => code;
    const error = await failure(to(server.url).deliver(MAIL, 'an-id', never));
    expect(error).not.toBeInstanceOf(Undeliverable);
    expect(error.message).toContain(`${code} RCPT TO`);
    expect(error.message).not.toContain('marked-by-the-server');
    expect(error.message).not.toContain(MAIL.to);
  });

  it('of the sender waits until the operator fixes the setting', async () => {
    const server = await serve();
    server.answerSender = () => 553;
    const error = await failure(to(server.url).deliver(MAIL, 'an-id', never));
    expect(error).not.toBeInstanceOf(Undeliverable);
    expect(error.message).toContain('553 MAIL FROM');
  });

  it('leaves the connection usable for the next mail', async () => {
    const server = await serve();
    server.answer = (recipient) => (recipient === MAIL.to ? 550 : 'take');
    const used = to(server.url);
    await failure(used.deliver(MAIL, 'an-id', never));
    await used.deliver({ ...MAIL, to: 'grace@example.test' }, 'another-id', never);
    expect(server.mails).toHaveLength(1);
  });
});

describe('an SMTP server that hangs', () => {
  it('is abandoned after a silence', async () => {
    const server = await serve();
    server.answer = () => 'silence';
    const before = performance.now();
    const error = await failure(to(server.url, { silenceTimeout: 300 }).deliver(MAIL, 'an-id', never));
    expect(error).not.toBeInstanceOf(Undeliverable);
    expect(performance.now() - before).toBeLessThan(2_000);
  });

  it('gets nothing more after the attempt has ended', async () => {
    const server = await serve();
    const { promise, resolve } = Promise.withResolvers<'take'>();
    server.answer = () => promise;
    const error = await failure(to(server.url, { deadline: 300 }).deliver(MAIL, 'an-id', never));
    expect(error.message).toContain('EABORT');
    resolve('take');
    server.answer = () => 'take';
    await transport?.deliver({ ...MAIL, to: 'grace@example.test' }, 'another-id', never);
    await elapse(300, 'the first mail must not come after the second one');
    expect(server.mails.map(({ to }) => to)).toEqual(['grace@example.test']);
  });

  it('does not delay a shutdown', async () => {
    const server = await serve();
    server.answer = () => 'silence';
    const cut = new AbortController();
    const delivery = failure(to(server.url).deliver(MAIL, 'an-id', cut.signal));
    await eventually(
      async () => server.asked.length,
      (count) => count === 1,
    );
    cut.abort();
    expect((await delivery).message).toContain('EABORT');
  });
});

describe('an SMTP server that cannot be reached', () => {
  it('is reported with the error of the network', async () => {
    const error = await failure(to(`smtp://127.0.0.1:${await freePort()}`).deliver(MAIL, 'an-id', never));
    expect(error).not.toBeInstanceOf(Undeliverable);
    expect(error.message).toContain('ECONNREFUSED');
  });
});

describe('the SMTP URL', () => {
  it('contains the credentials, decoded', async () => {
    const { port, mails } = await serve({ login: LOGIN });
    await to(`smtp://${CREDENTIALS}@127.0.0.1:${port}`).deliver(MAIL, 'an-id', never);
    expect(mails).toEqual([expect.objectContaining({ user: LOGIN.user })]);
  });

  it('with a wrong password causes a temporary error that does not contain the password', async () => {
    const { port } = await serve({ login: LOGIN });
    const error = await failure(to(`smtp://gate:marked@127.0.0.1:${port}`).deliver(MAIL, 'an-id', never));
    expect(error).not.toBeInstanceOf(Undeliverable);
    expect(error.message).toContain('EAUTH 535');
    expect(error.message).not.toContain('marked');
  });

  it('can require TLS; a server without it gets nothing', async () => {
    const { port, mails } = await serve();
    const error = await failure(to(`smtp://127.0.0.1:${port}?requireTLS=true`).deliver(MAIL, 'an-id', never));
    expect(error).not.toBeInstanceOf(Undeliverable);
    expect(mails).toEqual([]);
  });

  it.each(['', '?requireTLS=false', '?ignoreTLS=true', '?ignoreTLS=true&requireTLS=false'])(
    'with a password and %p sends nothing unencrypted to another machine',
    async (parameters) => {
      const { port, mails } = await serve({ login: LOGIN });
      const url = (host: string) => `smtp://${CREDENTIALS}@${host}:${port}${parameters}`;
      // An IP that leads here, although it is not a loopback IP.
      const error = await failure(to(url('0.0.0.0')).deliver(MAIL, 'an-id', never));
      expect(error).not.toBeInstanceOf(Undeliverable);
      expect(error.message).toContain('ETLS');
      expect(mails).toEqual([]);
      await transport?.close();
      await to(url('127.0.0.1')).deliver(MAIL, 'an-id', never);
      expect(mails).toHaveLength(1);
    },
  );

  it.each(['starttls', 'smtps'] as const)(
    'with %s and an untrusted certificate sends nothing, and reports the reason',
    async (encryption) => {
      const { port, mails } = await serve({ encryption });
      const scheme = encryption === 'smtps' ? 'smtps' : 'smtp';
      const error = await failure(to(`${scheme}://localhost:${port}`).deliver(MAIL, 'an-id', never));
      expect(error.message).toMatch(/self-signed certificate/);
      expect(error).not.toBeInstanceOf(Undeliverable);
      expect(mails).toEqual([]);
    },
  );

  it.each(['starttls', 'smtps'] as const)(
    'with %s and a trusted certificate sends encrypted, and logs in only then',
    async (encryption) => {
      const folder = await mkdtemp(join(tmpdir(), 'gatehouse-mail-'));
      try {
        await writeFile(join(folder, 'ca.pem'), CERTIFICATE);
        const { port, mails } = await serve({ encryption, login: LOGIN });
        const url = `${encryption === 'smtps' ? 'smtps' : 'smtp'}://${CREDENTIALS}@localhost:${port}`;
        // Node reads the authorities when a process starts, so this test has its own process.
        const child = spawn(process.execPath, ['--input-type=module', '--eval', SEND], {
          env: { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'), URL: url, MAIL: JSON.stringify(MAIL) },
          stdio: 'inherit',
        });
        expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0);
        expect(mails).toEqual([expect.objectContaining({ encrypted: true, user: LOGIN.user })]);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );
});

/** Uses the build, which `npm test` makes first. */
const SEND = `
  import 'reflect-metadata';
  import { SmtpTransport } from './dist/src/platform/mail/index.js';
  const transport = new SmtpTransport({ url: process.env.URL, from: 'hello@orchard.example' });
  await transport.deliver(JSON.parse(process.env.MAIL), 'an-id', new AbortController().signal);
  await transport.close();`;
