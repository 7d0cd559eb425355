import type { EntityManager } from '@mikro-orm/postgresql';
import type { FastifyInstance } from 'fastify';
import { fillUsernameSkeletons } from '../accounts/index.ts';
import type { UserImport } from '../administration/index.ts';
import type { SecondFactorChanges } from '../authenticators/index.ts';
import type { Config } from '../config/index.ts';
import type { Foundation } from '../foundation.ts';
import { buildSchema, ErrorCodesResolver } from '../graphql/index.ts';
import { createServer, drained, requestContexts } from '../http/index.ts';
import { RESOLVERS, SCHEMA } from '../modules.ts';
import { linkPages } from '../pages/index.ts';
import { type AuditReceiver, AuditStream, StdoutReceiver, SyslogReceiver } from '../platform/audit/index.ts';
import type { Clock } from '../platform/clock.ts';
import { databaseReady } from '../platform/database/index.ts';
import { Hints } from '../platform/hints.ts';
import { Housekeeping } from '../platform/housekeeping/housekeeping.ts';
import type { Logger } from '../platform/logger.ts';
import { MailWorker, type MailWriter, SmtpTransport } from '../platform/mail/index.ts';
import type { Superusers } from '../roles/index.ts';
import { CallerVerification, type KeyRotation, type SigningKeys } from '../sessions/index.ts';
import { composeAccountEnd, composeAccounts, composeConfirmation } from './accounts.ts';
import { composeAdministration, composeUserAdministration } from './administration.ts';
import { composeAuthentication, composeSignIn } from './authentication.ts';
import { composeAuthenticators } from './authenticators.ts';
import { composeBlockpass } from './blockpass.ts';
import { type Closing, closeAll } from './closing.ts';
import { composeDevices } from './devices.ts';
import { composeGoogle } from './google.ts';
import { composeIdentities } from './identities.ts';
import { broughtBy, type Part } from './part.ts';
import { composePasswords } from './passwords.ts';
import { composePlatform, type Platform, POOL_SIZE } from './platform.ts';
import { composeRecovery } from './recovery.ts';
import { composeSessions } from './sessions.ts';

export { exportUsers, type ImportReport, type InputRecord, USER_FIELDS } from '../administration/index.ts';
export { METRICS } from '../modules.ts';
export type { ListedKey, RotationMode } from '../sessions/index.ts';
export { withMigrations } from './with-migrations.ts';

/**
 * Operations at once, beside those that may wait for a hash: five for each connection to the database. More would only
 * wait for one, and so would the reading of revocations, without which every access token costs a query.
 */
const MAX_OPERATIONS = 5 * POOL_SIZE;
/** Milliseconds for the requests in flight at a shutdown; then their connections are cut. */
const DRAIN_TIMEOUT = 10_000;

export interface CompositionOptions {
  /** For tests, which move it. By default it is the time of the database. */
  clock?: Clock;
  /** False for a command, which ends soon: it leaves mails and housekeeping to the processes that stay. */
  serving?: boolean;
  /** Standard output, for AUDIT_STREAM=stdout. */
  output?: NodeJS.WritableStream;
  /** For mistakes of the operator. By default they go to the log alone. */
  hints?: Hints;
}

/** The gateway, put together. */
export interface Gateway {
  readonly app: FastifyInstance;
  readonly superusers: Superusers;
  readonly secondFactorChanges: SecondFactorChanges;
  readonly userImport: UserImport;
  readonly signingKeys: SigningKeys;
  readonly keyRotation: KeyRotation;
  /** By what their links are for. */
  readonly mailsWithToken: Readonly<
    Record<'confirm-email' | 'reset-password', MailWriter<{ address: string }>>
  >;
  readonly fork: () => EntityManager;
  /** Resolves once this process knows every ending that was committed before the call. */
  caughtUp(): Promise<void>;
  /**
   * Readiness turns red at once. Resolves after SHUTDOWN_DELAY_SECONDS, when clients and proxies have gone elsewhere and
   * closing loses no request.
   */
  drain(): Promise<void>;
  /** Accepts nothing more; what is in flight is finished; then every part is closed. */
  close(): Promise<void>;
}

/**
 * The composition root: this folder is the only place that constructs services.
 * @throws {InvalidSettings} when the keys do not fit the database, or migrations are missing.
 * @throws {CannotStart} when the clock of this machine is too far off.
 */
export async function compose(
  config: Config,
  foundation: Foundation,
  log: Logger,
  {
    clock,
    serving = true,
    output = process.stdout,
    hints = new Hints(log, undefined),
  }: CompositionOptions = {},
): Promise<Gateway> {
  const closing: Closing = [];
  try {
    const platform = await composePlatform(config, foundation, log, hints, clock, closing);
    return await build(platform, { serving, output });
  } catch (error) {
    // What went wrong first is what the operator must read.
    await closeAll(closing).catch(() => {});
    throw error;
  }
}

async function build(
  platform: Platform,
  { serving, output }: Required<Pick<CompositionOptions, 'serving' | 'output'>>,
): Promise<Gateway> {
  const { config, log, closing, redis, fork, feed, pages } = platform;
  const sessions = await composeSessions(platform);
  const identities = composeIdentities(platform);
  const devices = composeDevices(platform);
  const passwords = await composePasswords(platform, sessions, identities, devices);
  const accounts = composeAccounts(platform, sessions, passwords);
  // Before anybody registers: until then a name that looks like one of these would be free.
  const filled = await fillUsernameSkeletons(fork);
  if (filled > 0) log.info({ filled }, 'usernames of an earlier release were prepared for comparison');
  const authenticators = await composeAuthenticators(platform, sessions, passwords);
  const signIn = composeSignIn(platform, sessions, authenticators, identities, devices);
  const recovery = composeRecovery(
    platform,
    sessions,
    passwords,
    accounts,
    authenticators,
    identities,
    devices,
  );
  const { cookies, accessTokens, revocationCache, keyBinding, sightings } = sessions;
  const contexts = requestContexts(
    fork,
    new CallerVerification({ cookies, accessTokens, revocationCache, keyBinding, sightings }),
    devices.deviceCookie.name,
  );
  const google = composeGoogle(
    platform,
    sessions,
    passwords,
    accounts,
    recovery,
    identities,
    signIn,
    contexts,
  );
  const authentication = composeAuthentication(
    platform,
    sessions,
    passwords,
    authenticators,
    devices,
    signIn,
    google,
  );
  const administration = composeAdministration(platform, sessions, passwords, accounts);
  const blockpass = composeBlockpass(platform, sessions, identities, signIn, administration, contexts);
  const keepers: Part[] = [
    platform,
    sessions,
    identities,
    devices,
    passwords,
    accounts,
    authenticators,
    recovery,
    composeConfirmation(platform, sessions, passwords, accounts, recovery),
    signIn,
    google,
    authentication,
    administration,
    blockpass,
  ];
  const personalData = broughtBy(keepers, 'personalData');
  const accountEnd = composeAccountEnd(platform, sessions, passwords, accounts, personalData);
  const parts = [
    ...keepers,
    accountEnd,
    composeUserAdministration(
      platform,
      sessions,
      passwords,
      accounts,
      authenticators,
      recovery,
      accountEnd,
      administration,
    ),
  ];

  const schema = await buildSchema({
    resolvers: RESOLVERS,
    isAuthorized: administration.isAuthorized,
    instances: [...broughtBy(parts, 'resolvers'), new ErrorCodesResolver()],
  });
  const startBackground = background(platform, parts, output);
  let draining = false;
  const app = await createServer({
    ...config.http,
    production: config.production,
    introspection: config.graphql.introspection,
    // Whoever waits for a hash costs nothing meanwhile, and must not keep the others out.
    maxOperations: MAX_OPERATIONS + passwords.hashPlaces,
    schema,
    tokenCookies: broughtBy(parts, 'cookieNames'),
    routes: [
      ...(config.http.linkPages === 'gateway' ? [linkPages(pages)] : []),
      ...broughtBy(parts, 'routes'),
    ],
    guardedRoutes: broughtBy(parts, 'guardedRoutes'),
    devMailbox: platform.devMailbox,
    health: {
      isDraining: () => draining,
      clockOffsetSeconds: platform.clockOffsetSeconds,
      probes: {
        database: () => databaseReady(fork(), SCHEMA.migrations),
        ...(redis && { redis: () => redis.probe() }),
      },
    },
    fork,
    audit: platform.audit,
    contexts,
    dpopProofs: sessions.dpopProofs,
    rateLimiter: platform.rateLimiter,
    log,
    hints: platform.hints,
  });
  closing.push(() => app.close());

  await administration.loadRoles();
  await revocationCache.start();
  await Promise.all([feed.start(), redis?.start()]);
  sessions.signingKeys.start();
  if (serving) await startBackground();
  return {
    app,
    fork,
    superusers: administration.superusers,
    secondFactorChanges: authenticators.secondFactorChanges,
    userImport: administration.userImport,
    signingKeys: sessions.signingKeys,
    keyRotation: sessions.keyRotation,
    caughtUp: () => revocationCache.catchUp(),
    mailsWithToken: { 'confirm-email': accounts.confirmationMail, 'reset-password': recovery.recoveryMail },
    drain() {
      draining = true;
      return drained(app.server, config.http.shutdownDelaySeconds);
    },
    async close() {
      draining = true;
      const impatience = setTimeout(() => app.server.closeAllConnections(), DRAIN_TIMEOUT);
      await closeAll(closing).finally(() => clearTimeout(impatience));
    },
  };
}

/** What goes on without a request. */
function background(
  { config, log, closing, fork, feed, box, devMailbox, rateLimiter }: Platform,
  parts: readonly Part[],
  output: NodeJS.WritableStream,
) {
  const housekeeping = new Housekeeping(fork, broughtBy(parts, 'chores'), (message, facts) =>
    log.info(facts, message),
  );
  closing.push(() => housekeeping.stop());
  const transport =
    config.mail.smtpUrl === undefined
      ? devMailbox
      : new SmtpTransport({ url: config.mail.smtpUrl, from: config.mail.from });
  if (!transport) log.warn('SMTP_URL is not set: mails wait in the database until it is');
  const mailWorker =
    transport &&
    new MailWorker({
      fork,
      box,
      feed,
      transport,
      writers: broughtBy(parts, 'mailWriters'),
      rateLimiter,
      log: {
        warn: (message, facts) => log.warn(facts, message),
      },
    });
  if (mailWorker) closing.push(() => mailWorker.stop());
  const workers = broughtBy(parts, 'workers');
  closing.push(...workers.map((worker) => () => worker.stop()));
  const receiver = auditReceiver(config, output);
  const auditStream =
    receiver &&
    new AuditStream(fork, receiver, {
      info: (message, facts) => log.info(facts, message),
      warn: (message, facts) => log.warn(facts, message),
    });
  if (auditStream) closing.push(() => auditStream.stop());
  return async () => {
    await auditStream?.start();
    housekeeping.start();
    mailWorker?.start();
    for (const worker of workers) worker.start();
  };
}

function auditReceiver({ auditStream }: Config, output: NodeJS.WritableStream): AuditReceiver | undefined {
  if (auditStream === 'off') return undefined;
  return auditStream === 'stdout' ? new StdoutReceiver(output) : new SyslogReceiver(auditStream);
}
