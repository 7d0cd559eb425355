import type { EntityManager } from '@mikro-orm/postgresql';
import type { FastifyInstance } from 'fastify';
import type { UserImport } from '../administration/index.ts';
import type { SecondFactorChanges } from '../authenticators/index.ts';
import type { Config } from '../config/index.ts';
import type { ServingFoundation } from '../foundation.ts';
import { drained } from '../http/index.ts';
import {
  composeModules,
  GATEWAY_PERMISSIONS,
  METRICS,
  NOTICES,
  RATE_LIMIT_RULES,
  SCHEMA,
} from '../modules.ts';
import type { Clock } from '../platform/clock.ts';
import { type Closing, closeAll } from '../platform/closing.ts';
import { Hints } from '../platform/hints.ts';
import type { Logger } from '../platform/logger.ts';
import type { MailWriter } from '../platform/mail/index.ts';
import { Contributions } from '../platform/module-list.ts';
import { ONLY_WORKER, type WorkerSeat } from '../platform/worker-seat.ts';
import type { Superusers } from '../roles/index.ts';
import type { KeyRotation, SigningKeys } from '../sessions/index.ts';
import { serverOf } from './server.ts';

export { exportUsers, type ImportReport, type InputRecord, USER_FIELDS } from '../administration/index.ts';
export { METRICS } from '../modules.ts';
export type { Finding } from '../platform/doctor/index.ts';
export type { ListedKey, RotationMode } from '../sessions/index.ts';
export { type ExaminationOptions, examine } from './doctor.ts';
export { withMigrations } from './with-migrations.ts';

/** Milliseconds for the requests in flight at a shutdown; then their connections are cut. */
const DRAIN_TIMEOUT = 10_000;
/**
 * Seconds that a replaced worker continues to serve. A client that uses its connection in this time learns that it
 * closes. Load balancers need not notice, so this is shorter than SHUTDOWN_DELAY_SECONDS.
 */
const RETIREMENT = 2;

export interface CompositionOptions {
  /** A clock that a test moves. By default it is the time of the database. */
  clock?: Clock;
  /** False for a command, which ends soon: it leaves mails and housekeeping to the processes that stay. */
  serving?: boolean;
  /** Standard output, for AUDIT_STREAM=stdout. */
  output?: NodeJS.WritableStream;
  /** For mistakes of the operator. By default they go to the log alone. */
  hints?: Hints;
  /** The seat of this process among the processes on its port. By default it is the only one. */
  worker?: WorkerSeat;
}

/** The gateway, put together. */
export interface Gateway {
  readonly app: FastifyInstance;
  readonly superusers: Superusers;
  readonly secondFactorChanges: SecondFactorChanges;
  readonly userImport: UserImport;
  readonly signingKeys: SigningKeys;
  readonly keyRotation: KeyRotation;
  /** The mails with a one-time token, by its purpose. */
  readonly mailsWithToken: Readonly<
    Record<'confirm-email' | 'reset-password', MailWriter<{ address: string }>>
  >;
  readonly fork: () => EntityManager;
  /** Resolves once this process knows every revocation that was committed before the call. */
  caughtUp(): Promise<void>;
  /**
   * Readiness turns red at once. Resolves after SHUTDOWN_DELAY_SECONDS, when clients and proxies have gone elsewhere and
   * closing loses no request.
   */
  drain(): Promise<void>;
  /**
   * For a worker whose replacement is ready. The worker reports ready until its end, because the gateway as a whole
   * is ready. Resolves after two seconds, in which each answer says that its connection closes.
   */
  retire(): Promise<void>;
  /** Accepts no more requests, finishes those in flight, and then closes every part. */
  close(): Promise<void>;
}

/**
 * Puts the gateway together: composes every module, starts what they contribute, and makes the server.
 * @throws {InvalidSettings} when the keys do not fit the database, or migrations are missing.
 * @throws {CannotStart} when the clock of this machine is too far off.
 */
export async function compose(
  config: Config,
  foundation: ServingFoundation,
  log: Logger,
  options: CompositionOptions = {},
): Promise<Gateway> {
  const closing: Closing = [];
  try {
    return await build(config, foundation, log, { ...options, closing });
  } catch (error) {
    // The operator needs the first error, so errors of the cleanup are dropped.
    await closeAll(closing).catch(() => {});
    throw error;
  }
}

async function build(
  config: Config,
  foundation: ServingFoundation,
  log: Logger,
  {
    clock,
    serving = true,
    output = process.stdout,
    hints = new Hints(log, undefined),
    worker = ONLY_WORKER,
    closing,
  }: CompositionOptions & { closing: Closing },
): Promise<Gateway> {
  const contributions = new Contributions();
  const declared = {
    schema: SCHEMA,
    rateLimits: RATE_LIMIT_RULES,
    permissions: GATEWAY_PERMISSIONS,
    notices: NOTICES,
    metrics: METRICS,
  };
  const surroundings = { foundation, worker, log, hints, clock, output, closing, contributions, declared };
  const services = await composeModules({ config, surroundings }, contributions);
  const { platform, sessions, accounts, authenticators, recovery, roles, administration } = services;
  const background = contributions.of('workers');
  closing.push(...background.map((part) => () => part.stop()));

  let draining = false;
  let retiring = false;
  const app = await serverOf(services, { isDraining: () => draining, isRetiring: () => retiring });
  closing.push(() => app.close());

  for (const start of contributions.of('starters')) await start();
  if (serving) for (const part of background) await part.start();
  return {
    app,
    fork: platform.fork,
    superusers: roles.superusers,
    secondFactorChanges: authenticators.secondFactorChanges,
    userImport: administration.userImport,
    signingKeys: sessions.signingKeys,
    keyRotation: sessions.keyRotation,
    caughtUp: () => sessions.revocationCache.catchUp(),
    mailsWithToken: { 'confirm-email': accounts.confirmationMail, 'reset-password': recovery.recoveryMail },
    drain() {
      draining = true;
      return drained(app.server, config.http.shutdownDelaySeconds);
    },
    retire() {
      retiring = true;
      return drained(app.server, RETIREMENT);
    },
    async close() {
      draining = true;
      const impatience = setTimeout(() => app.server.closeAllConnections(), DRAIN_TIMEOUT);
      await closeAll(closing).finally(() => clearTimeout(impatience));
    },
  };
}
