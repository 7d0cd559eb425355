import { AuditCounter, AuditLog, auditData, oldAuditEvents } from './audit/index.ts';
import type { AUDIT_SETTINGS } from './audit/settings.ts';
import { type BackgroundOptions, backgroundWorkers } from './background.ts';
import type { Clock } from './clock.ts';
import type { Closing } from './closing.ts';
import { createOrm, type DatabaseSchema, migrationsReady } from './database/index.ts';
import { DatabaseClock } from './database-clock.ts';
import { PostgresEventFeed, RedisEventFeed } from './events/index.ts';
import type { Hints } from './hints.ts';
import { checkKeys } from './key-check/key-check.ts';
import type { Keyring } from './keyring.ts';
import type { Logger } from './logger.ts';
import { DevMailbox, MailOutbox, oldDevMails, oldMailJobs } from './mail/index.ts';
import type { MAIL_SETTINGS } from './mail/settings.ts';
import type { Contributions } from './module-list.ts';
import type { Composed, NoticeTexts, ServicesOf } from './module-type.ts';
import {
  DividedTokenBuckets,
  InProcessTokenBuckets,
  RateLimiter,
  RedisTokenBuckets,
  type RuleTable,
} from './rate-limit/index.ts';
import type { RATE_LIMIT_SETTINGS } from './rate-limit/settings.ts';
import { RedisConnection } from './redis/index.ts';
import type { REDIS_SETTINGS } from './redis/settings.ts';
import { SecretBox } from './secret-box.ts';
import type { SERVER_SETTINGS } from './server-settings.ts';
import type { ConfigOf } from './setting-declaration.ts';
import type { Metric } from './telemetry/index.ts';
import type { TELEMETRY_SETTINGS } from './telemetry/settings.ts';
import type { WorkerSeat } from './worker-seat.ts';

/**
 * Connections of a gateway with one process. A few gateways together stay below PostgreSQL's default of 100.
 */
const POOL_SIZE = 20;
/**
 * Connections of one of several workers. Ten keep one core busy, and eight workers together stay below that
 * default.
 */
const WORKER_POOL_SIZE = 10;
/** Connections of a process besides its pool: one that listens, and one that cancels a statement. */
const OTHER_CONNECTIONS = 2;

const poolSizeOf = (workers: number): number => (workers === 1 ? POOL_SIZE : WORKER_POOL_SIZE);

/** The maximum number of connections to the database that a gateway opens, with all of its workers. */
export const mostConnections = (workers: number): number =>
  workers * (poolSizeOf(workers) + OTHER_CONNECTIONS);

/** The services that the process gives, before any module. */
export interface Surroundings {
  readonly foundation: {
    readonly servingUrl: string;
    readonly secrets: Readonly<Record<'tokenKeys' | 'encryptionKeys' | 'passwordPeppers', Keyring>>;
  };
  /** The seat of this process among the processes on its port. */
  readonly worker: WorkerSeat;
  readonly log: Logger;
  readonly hints: Hints;
  /** A clock that a test moves. Undefined: the time of the database. */
  readonly clock: Clock | undefined;
  /** Standard output, for AUDIT_STREAM=stdout. */
  readonly output: NodeJS.WritableStream;
  readonly closing: Closing;
  readonly contributions: Contributions;
  /** What the modules declare. */
  readonly declared: {
    readonly schema: DatabaseSchema;
    readonly rateLimits: RuleTable;
    readonly permissions: readonly string[];
    readonly notices: NoticeTexts;
    readonly metrics: readonly Metric[];
  };
}

export type PlatformServices = ServicesOf<typeof composePlatform>;

/** The settings that the modules may read in addition to their own. */
export type PlatformSettings = ConfigOf<
  | typeof SERVER_SETTINGS
  | typeof REDIS_SETTINGS
  | typeof MAIL_SETTINGS
  | typeof AUDIT_SETTINGS
  | typeof RATE_LIMIT_SETTINGS
  | typeof TELEMETRY_SETTINGS
>;

/**
 * Composes the platform that every capability uses.
 * @throws {InvalidSettings} the keys do not fit the database, or migrations are missing.
 * @throws {CannotStart} the clock of this machine is too far off.
 */
export async function composePlatform({
  config,
  surroundings,
}: {
  config: PlatformSettings;
  surroundings: Surroundings;
}) {
  const { foundation, worker, log, hints, closing, contributions, declared } = surroundings;
  const { servingUrl, secrets } = foundation;
  const warn = (message: string, error?: unknown) => log.warn({ err: error }, message);
  const redisFor = (purpose: 'commands' | 'events') =>
    config.redis.url === undefined
      ? undefined
      : new RedisConnection({ url: config.redis.url, purpose, log: warn });
  const redis = redisFor('commands');
  if (redis) closing.push(async () => redis.close());
  const databaseClock = new DatabaseClock((message, facts) => log.warn(facts, message));
  const clock = surroundings.clock ?? databaseClock;
  const buckets = redis
    ? new RedisTokenBuckets(redis, clock, warn, worker.count)
    : new DividedTokenBuckets(new InProcessTokenBuckets(clock), worker.count);
  const rateLimiter = new RateLimiter(buckets, { ...config.rateLimit, rules: declared.rateLimits });

  const counters =
    config.telemetry.metricsPort === undefined
      ? []
      : declared.metrics.filter((metric) => metric instanceof AuditCounter);
  const poolSize = poolSizeOf(worker.count);
  const orm = createOrm({
    url: servingUrl,
    schema: declared.schema,
    poolSize,
    runsAfterCommit: counters.length > 0,
  });
  closing.push(() => orm.close());
  const fork = () => orm.em.fork();
  await migrationsReady(fork(), declared.schema.migrations);
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

  const { publicUrl, clientOrigins } = config.http;
  const clientOrigin = clientOrigins[0] ?? publicUrl;
  const secure = publicUrl.startsWith('https:');
  const box = new SecretBox(secrets.encryptionKeys);
  const { smtpUrl } = config.mail;
  const devMailbox = config.production || smtpUrl !== undefined ? undefined : new DevMailbox(fork, box);
  const background: BackgroundOptions = { config, fork, box, feed, devMailbox, rateLimiter, ...surroundings };
  return {
    services: {
      secrets,
      worker,
      poolSize,
      log,
      hints,
      closing,
      contributions,
      /** Every permission that an operation of the gateway asks for. */
      permissionWords: declared.permissions,
      noticeTexts: declared.notices,
      warn,
      clock,
      clockOffsetSeconds: () => databaseClock.machineOffsetSeconds,
      redis,
      rateLimiter,
      fork,
      feed,
      audit: new AuditLog(counters),
      box,
      outbox: new MailOutbox(box, feed),
      devMailbox,
      publicUrl,
      clientOrigin,
      /** Shared by the pages of the gateway: the name of the product, and the frontend to which they lead. */
      pages: { productName: config.productName, home: clientOrigin === publicUrl ? null : clientOrigin },
      secure,
    },
    personalData: [auditData],
    starters: [() => Promise.all([feed.start(), redis?.start()])],
    workers: backgroundWorkers(background),
    chores: [oldMailJobs, oldDevMails, oldAuditEvents],
  } satisfies Composed;
}
