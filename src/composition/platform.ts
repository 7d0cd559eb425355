import type { Config } from '../config/index.ts';
import type { Foundation } from '../foundation.ts';
import { MailTemplates } from '../mail-templates/index.ts';
import { METRICS, RATE_LIMIT_RULES, SCHEMA } from '../modules.ts';
import { OwnerNotices } from '../notices/index.ts';
import { expiredTokens, mailedLinkData, OneTimeTokens } from '../one-time-tokens/index.ts';
import { AuditCounter, AuditLog, auditData, oldAuditEvents } from '../platform/audit/index.ts';
import type { Clock } from '../platform/clock.ts';
import { createOrm, migrationsReady } from '../platform/database/index.ts';
import { DatabaseClock } from '../platform/database-clock.ts';
import { PostgresEventFeed, RedisEventFeed } from '../platform/events/index.ts';
import type { Hints } from '../platform/hints.ts';
import { checkKeys } from '../platform/key-check/key-check.ts';
import type { Logger } from '../platform/logger.ts';
import { DevMailbox, MailOutbox, oldDevMails, oldMailJobs } from '../platform/mail/index.ts';
import { InProcessTokenBuckets, RateLimiter, RedisTokenBuckets } from '../platform/rate-limit/index.ts';
import { RedisConnection } from '../platform/redis/index.ts';
import { CookieStyle } from '../platform/request/index.ts';
import { SecretBox } from '../platform/secret-box.ts';
import type { Closing } from './closing.ts';
import type { Part } from './part.ts';

/** Connections of one process: with a few processes this stays below PostgreSQL's default of 100. */
export const POOL_SIZE = 20;

/** What every capability stands on. */
export type Platform = Awaited<ReturnType<typeof composePlatform>>;

/**
 * @param givenClock instead of the time of the database
 * @throws {InvalidSettings} the keys do not fit the database, or migrations are missing.
 * @throws {CannotStart} the clock of this machine is too far off.
 */
export async function composePlatform(
  config: Config,
  { servingUrl, secrets }: Foundation,
  log: Logger,
  hints: Hints,
  givenClock: Clock | undefined,
  closing: Closing,
) {
  const warn = (message: string, error?: unknown) => log.warn({ err: error }, message);
  const redisFor = (purpose: 'commands' | 'events') =>
    config.redis.url === undefined
      ? undefined
      : new RedisConnection({ url: config.redis.url, purpose, log: warn });
  const redis = redisFor('commands');
  if (redis) closing.push(async () => redis.close());
  const databaseClock = new DatabaseClock((message, facts) => log.warn(facts, message));
  const clock = givenClock ?? databaseClock;
  const buckets = redis ? new RedisTokenBuckets(redis, clock, warn) : new InProcessTokenBuckets(clock);
  const rateLimiter = new RateLimiter(buckets, { ...config.rateLimit, rules: RATE_LIMIT_RULES });

  const counters =
    config.telemetry.metricsPort === undefined
      ? []
      : METRICS.filter((metric) => metric instanceof AuditCounter);
  const orm = createOrm({
    url: servingUrl,
    schema: SCHEMA,
    poolSize: POOL_SIZE,
    runsAfterCommit: counters.length > 0,
  });
  closing.push(() => orm.close());
  const fork = () => orm.em.fork();
  await migrationsReady(fork(), SCHEMA.migrations);
  closing.push(async () => databaseClock.stop());
  await databaseClock.start(fork);
  await checkKeys(fork(), {
    TOKEN_KEY: secrets.tokenKeys,
    ENCRYPTION_KEY: secrets.encryptionKeys,
    PASSWORD_PEPPER: secrets.passwordPeppers,
  });

  const redisListening = redisFor('events');
  const feed =
    redis && redisListening
      ? new RedisEventFeed(redis, redisListening)
      : new PostgresEventFeed(servingUrl, warn);
  closing.push(() => feed.close());

  const { publicUrl, clientOrigins, linkPages } = config.http;
  const clientOrigin = clientOrigins[0] ?? publicUrl;
  const box = new SecretBox(secrets.encryptionKeys);
  const outbox = new MailOutbox(box, feed);
  const pagesAt = { gateway: publicUrl, client: clientOrigin, off: null }[linkPages];
  const mailTemplates = new MailTemplates({ productName: config.productName, pagesAt });
  const tokens = new OneTimeTokens();
  const notices = new OwnerNotices(outbox, mailTemplates, tokens, rateLimiter);
  const secure = publicUrl.startsWith('https:');
  return {
    config,
    secrets,
    clock,
    clockOffsetSeconds: () => databaseClock.machineOffsetSeconds,
    log,
    hints,
    warn,
    closing,
    redis,
    rateLimiter,
    fork,
    feed,
    audit: new AuditLog(counters),
    box,
    outbox,
    devMailbox:
      config.production || config.mail.smtpUrl !== undefined ? undefined : new DevMailbox(fork, box),
    mailTemplates,
    tokens,
    notices,
    publicUrl,
    clientOrigin,
    /** What the pages of the gateway share: their name, and the frontend that they lead on to. */
    pages: { productName: config.productName, home: clientOrigin === publicUrl ? null : clientOrigin },
    secure,
    cookieStyle: new CookieStyle({ secure, domain: config.session.cookieDomain }),
    mailWriters: [notices],
    personalData: [mailedLinkData, auditData],
    chores: [expiredTokens, oldMailJobs, oldDevMails, oldAuditEvents],
  } satisfies Part & Record<string, unknown>;
}
