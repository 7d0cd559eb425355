import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Check, fail, ok, warn } from '../doctor/check.ts';
import type { SERVER_SETTINGS } from '../server-settings.ts';
import type { ConfigOf } from '../setting-declaration.ts';
import type { MAIL_SETTINGS } from './settings.ts';
import { SmtpTransport } from './smtp-transport.ts';

type Config = ConfigOf<typeof SERVER_SETTINGS | typeof MAIL_SETTINGS>;

/** Milliseconds for each step of a connection to the mail server. */
const PATIENCE = 3_500;

const server: Check<Config> = {
  name: 'mail.server',
  async run({ config: { mail, production } }) {
    if (mail.smtpUrl === undefined)
      return production
        ? warn('SMTP_URL is not set, so mails wait in the database.', 'Set SMTP_URL to your mail server.')
        : ok('Mails are shown at /dev/mailbox, because SMTP_URL is not set.');
    const transport = new SmtpTransport({
      url: mail.smtpUrl,
      from: mail.from,
      silenceTimeout: PATIENCE,
      connectTimeout: PATIENCE,
    });
    try {
      await transport.verify();
      return ok('The mail server answers and accepts the login.');
    } catch (error) {
      return fail(
        `SMTP_URL: the mail server cannot be used: ${(error as Error).message}.`,
        'See that host, port and TLS (smtp:// or smtps://), user and password in SMTP_URL are right.',
      );
    } finally {
      await transport.close();
    }
  },
};

/** Top-level names that no receiver can answer to (RFC 6761, RFC 6762). */
const NOT_PUBLIC = /(^|\.)(localhost|local|internal|lan|test|invalid|example)$/;
/** Milliseconds for a name server. */
const LOOK_UP_WITHIN = 1_500;

const sender: Check<Config> = {
  name: 'mail.sender',
  async run({ config: { mail, production, http } }) {
    if (mail.smtpUrl === undefined || !production) return null;
    const domain = /@([^>\s]+)/.exec(mail.from)?.[1]?.toLowerCase() ?? '';
    // A trial of production on one machine.
    if (domain === 'localhost' && new URL(http.publicUrl).hostname === 'localhost') return null;
    const fix =
      'Set MAIL_FROM to an address of your own domain, with SPF and DKIM records for the mail server.';
    if (!domain.includes('.') || isIP(domain) !== 0 || NOT_PUBLIC.test(domain))
      return warn(
        `MAIL_FROM has the domain ${domain}, which no receiver can reach: receivers refuse such mails.`,
        fix,
      );
    if ((await exists(domain)) === false)
      return warn(
        `MAIL_FROM has the domain ${domain}, which does not exist: receivers refuse such mails.`,
        fix,
      );
    return ok(`Mails come from the domain ${domain}.`);
  },
};

/** Whether a domain has a mail server or an address; undefined when the name server does not say. */
async function exists(domain: string): Promise<boolean | undefined> {
  const resolver = new Resolver({ timeout: LOOK_UP_WITHIN, tries: 1 });
  const [control, ...answers] = await Promise.allSettled([
    resolver.resolveNs('com'),
    resolver.resolveMx(domain),
    resolver.resolve4(domain),
    resolver.resolve6(domain),
  ]);
  // A name server of a closed network knows no domain of the internet.
  if (control.status === 'rejected') return undefined;
  if (answers.some(({ status }) => status === 'fulfilled')) return true;
  const isMissing = (answer: PromiseSettledResult<unknown>) =>
    answer.status === 'rejected' && answer.reason?.code === 'ENOTFOUND';
  return answers.every(isMissing) ? false : undefined;
}

export const MAIL_CHECKS = [server, sender] as const;
