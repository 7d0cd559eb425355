import type { EntityManager } from '@mikro-orm/postgresql';
import { type AuditReceiver, AuditStream, StdoutReceiver, SyslogReceiver } from './audit/index.ts';
import type { AUDIT_SETTINGS } from './audit/settings.ts';
import type { EventFeed } from './events/index.ts';
import { Housekeeping } from './housekeeping/housekeeping.ts';
import type { Logger } from './logger.ts';
import { type DevMailbox, MailWorker, type RecipientRule, SmtpTransport } from './mail/index.ts';
import type { MAIL_SETTINGS } from './mail/settings.ts';
import type { Contributions } from './module-list.ts';
import type { Worker } from './module-type.ts';
import type { RateLimiter } from './rate-limit/index.ts';
import type { SecretBox } from './secret-box.ts';
import type { ConfigOf } from './setting-declaration.ts';

export interface BackgroundOptions {
  readonly config: ConfigOf<typeof MAIL_SETTINGS | typeof AUDIT_SETTINGS>;
  readonly log: Logger;
  readonly fork: () => EntityManager;
  readonly box: SecretBox;
  readonly feed: EventFeed;
  readonly devMailbox: DevMailbox | undefined;
  readonly rateLimiter: RateLimiter<RecipientRule>;
  readonly contributions: Contributions;
  /** Standard output, for AUDIT_STREAM=stdout. */
  readonly output: NodeJS.WritableStream;
}

/** Ships the audit trail, sends mails and removes what has expired. */
export function backgroundWorkers(options: BackgroundOptions): Worker[] {
  const { log, fork, contributions } = options;
  const info = (message: string, facts: Record<string, unknown>) => log.info(facts, message);
  const warn = (message: string, facts: Record<string, unknown>) => log.warn(facts, message);
  const receiver = auditReceiver(options);
  const auditStream = receiver && new AuditStream(fork, receiver, { info, warn });
  const housekeeping = new Housekeeping(fork, contributions.of('chores'), info);
  const mailWorker = mailSending(options, { warn });
  return [auditStream, housekeeping, mailWorker].filter((worker) => worker !== undefined);
}

function mailSending(
  { config, log, fork, box, feed, devMailbox, rateLimiter, contributions }: BackgroundOptions,
  mailLog: { warn(message: string, facts: Record<string, unknown>): void },
): MailWorker | undefined {
  const { smtpUrl, from } = config.mail;
  const transport = smtpUrl === undefined ? devMailbox : new SmtpTransport({ url: smtpUrl, from });
  if (!transport) {
    log.warn('SMTP_URL is not set: mails wait in the database until it is');
    return undefined;
  }
  const writers = contributions.of('mailWriters');
  return new MailWorker({ fork, box, feed, transport, writers, rateLimiter, log: mailLog });
}

function auditReceiver({ config, output }: BackgroundOptions): AuditReceiver | undefined {
  const { auditStream } = config;
  if (auditStream === 'off') return undefined;
  return auditStream === 'stdout' ? new StdoutReceiver(output) : new SyslogReceiver(auditStream);
}
