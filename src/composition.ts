import { availableParallelism } from 'node:os';
import type { EntityManager, MikroORM } from '@mikro-orm/postgresql';
import type { FastifyInstance } from 'fastify';
import {
  AccountDeletion,
  AccountEndResolver,
  AccountResolver,
  Activation,
  AddressBook,
  CONFIRMATION_RULES,
  ConfirmationMail,
  DATA_EXPORT_RULES,
  DataExport,
  Deactivation,
  EMAIL_CHANGE_RULES,
  EmailChange,
  EmailConfirmation,
  EmailResolver,
  expiredRegistrations,
  FarewellMail,
  NewAddressMail,
  OldAddressMail,
  PROFILE_RULES,
  Profiles,
  RECIPIENT_RULES,
  REGISTRATION_RULES,
  Registration,
  RegistrationMail,
} from './accounts/index.ts';
import {
  AdministrationResolver,
  UserAdministration,
  UserDirectory,
  UserImport,
} from './administration/index.ts';
import { AuditResolver, AuditTrail } from './audit/index.ts';
import {
  AuthenticationResolver,
  expiredChallenges,
  LOGIN_RULES,
  PasswordLogin,
  REAUTHENTICATION_RULES,
  Reauthentication,
  SECOND_STEP_RULES,
  SecondStep,
  SignIn,
  SignInChallenges,
  TokenDelivery,
} from './authentication/index.ts';
import {
  AccountFactors,
  ENROLMENT_RULES,
  expiredEnrolments,
  fullAllowances,
  GuessAllowance,
  RecoveryCodeResolver,
  RecoveryCodes,
  SECOND_FACTOR_CHANGE_RULES,
  SECOND_FACTOR_RULES,
  SecondFactorChanges,
  SecondFactors,
  secondFactorData,
  TotpEnrolments,
  TotpResolver,
  TotpSecrets,
} from './authenticators/index.ts';
import {
  AppCalls,
  BLOCKPASS_APP_RULES,
  BLOCKPASS_SIGN_IN_RULES,
  BlockpassApi,
  BlockpassIdentities,
  BlockpassPerson,
  BlockpassSignInResolver,
  bindingCookieName,
  blockpassRoutes,
  type CertificateIssuing,
  Evidence,
  expiredPasses,
  KycData,
  KycItemResolver,
  KycPermission,
  KycRecordResolver,
  KycRecords,
  KycReview,
  KycUserResolver,
  KycVault,
  kycFileRoutes,
  oldSignIns,
  readWalletImportFormat,
  SignInWatch,
  UploadPasses,
  WebsiteSignIns,
} from './blockpass/index.ts';
import type { Config } from './config.ts';
import { DeviceCookie, forgottenDevices, KnownDevices } from './devices/index.ts';
import type { Foundation } from './foundation.ts';
import {
  AccountClaim,
  CALLBACK_PATH,
  expiredGoogleTickets,
  GOOGLE_RULES,
  GoogleAccounts,
  GoogleIdentities,
  GoogleIssuer,
  GoogleLinking,
  GoogleResolver,
  GoogleSignIn,
  GoogleTickets,
  googleData,
  googleRoutes,
  IdTokens,
  RedirectFlow,
} from './google/index.ts';
import { authorizationChecker, buildSchema, ErrorCodesResolver } from './graphql/index.ts';
import { createServer, requestContexts, SOCKET_RULES } from './http/index.ts';
import { expiredLinkChallenges, LinkChallenges, LinkedIdentities } from './identities/index.ts';
import { Letters } from './letters/index.ts';
import { NOTICE_RULES, OwnerNotices } from './notices/index.ts';
import { expiredTokens, mailedLinkData, OneTimeTokens } from './one-time-tokens/index.ts';
import { linkPages } from './pages/index.ts';
import {
  OWNER_PROOF_RULES,
  OwnerProof,
  PasswordChange,
  PasswordHasher,
  PasswordResolver,
  Passwords,
  passwordData,
} from './passwords/index.ts';
import { GATEWAY_PERMISSIONS } from './permissions.ts';
import { AuditLog, auditData, oldAuditEvents, setAuditRetention } from './platform/audit/index.ts';
import { type Clock, systemClock } from './platform/clock.ts';
import { createOrm, grantRights, Migrations, migrationsReady } from './platform/database/index.ts';
import { PostgresEventFeed, RedisEventFeed } from './platform/events/index.ts';
import { Housekeeping } from './platform/housekeeping/housekeeping.ts';
import { checkKeys } from './platform/key-check/key-check.ts';
import type { Logger } from './platform/logger.ts';
import {
  DevMailbox,
  MailOutbox,
  MailWorker,
  type MailWriter,
  oldDevMails,
  oldMailJobs,
  SmtpTransport,
} from './platform/mail/index.ts';
import {
  InProcessTokenBuckets,
  RateLimiter,
  RedisTokenBuckets,
  type RuleTable,
} from './platform/rate-limit/index.ts';
import { RedisConnection } from './platform/redis/index.ts';
import { CookieStyle, type RequestContext } from './platform/request/index.ts';
import { SecretBox } from './platform/secret-box.ts';
import { InvalidSettings } from './platform/settings.ts';
import {
  AccountRecovery,
  EmailChangeUndo,
  RECOVERY_RULES,
  RecoveryMail,
  RecoveryResolver,
  UNDO_RULES,
} from './recovery/index.ts';
import { RESOLVERS } from './resolvers.ts';
import {
  keepSuperuser,
  PermissionTable,
  RoleAdministration,
  RoleResolver,
  roleData,
  Superusers,
} from './roles/index.ts';
import {
  AccessTokens,
  CallerVerification,
  EndingKind,
  Endings,
  expiredSessions,
  jwksRoutes,
  KeyRotation,
  oldEndings,
  PostgresSessionStore,
  REFRESH_RULES,
  RedisSessionStore,
  RefreshRotation,
  RefreshTokens,
  Revocations,
  SecondFactorRequirement,
  SessionResolver,
  SigningKeys,
  SignOut,
  sessionData,
  TokenCookies,
  TokenPairs,
} from './sessions/index.ts';
import { SCHEMA, SERVING_RIGHTS } from './tables.ts';

export { exportUsers, type ImportReport, type InputLine } from './administration/index.ts';
export type { ListedKey, RotationMode } from './sessions/index.ts';

/** Connections of one process: with a few processes this stays below PostgreSQL's default of 100. */
const POOL_SIZE = 20;
/** Hashes that may wait for each thread: at a quarter of a second each, the last one waits about eight seconds. */
const HASH_QUEUE_PER_THREAD = 32;

/** Every rate limit with its default; each is declared next to the operation that it guards. */
export const RATE_LIMIT_RULES: RuleTable = {
  ...LOGIN_RULES,
  ...REGISTRATION_RULES,
  ...RECIPIENT_RULES,
  ...CONFIRMATION_RULES,
  ...EMAIL_CHANGE_RULES,
  ...RECOVERY_RULES,
  ...UNDO_RULES,
  ...DATA_EXPORT_RULES,
  ...PROFILE_RULES,
  ...REFRESH_RULES,
  ...REAUTHENTICATION_RULES,
  ...OWNER_PROOF_RULES,
  ...NOTICE_RULES,
  ...SECOND_STEP_RULES,
  ...SECOND_FACTOR_RULES,
  ...ENROLMENT_RULES,
  ...SECOND_FACTOR_CHANGE_RULES,
  ...SOCKET_RULES,
  ...BLOCKPASS_APP_RULES,
  ...BLOCKPASS_SIGN_IN_RULES,
  ...GOOGLE_RULES,
};

/** Milliseconds for the requests in flight at a shutdown; then their connections are cut. */
const DRAIN_TIMEOUT = 10_000;

export interface CompositionOptions {
  clock?: Clock;
  /** False for a command, which ends soon: it leaves mails and housekeeping to the processes that stay. */
  serving?: boolean;
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
  /** Readiness turns red at once; what is in flight is finished; then every part is closed. */
  close(): Promise<void>;
}

/**
 * The composition root: the only place that constructs services.
 * @throws {InvalidSettings} when the keys do not fit the database, or migrations are missing.
 */
export async function compose(
  config: Config,
  foundation: Foundation,
  log: Logger,
  { clock = systemClock, serving = true }: CompositionOptions = {},
): Promise<Gateway> {
  const closing: Array<() => Promise<unknown>> = [];
  try {
    return await build(config, foundation, log, { clock, serving }, closing);
  } catch (error) {
    // What went wrong first is what the operator must read.
    await closeAll(closing).catch(() => {});
    throw error;
  }
}

async function build(
  config: Config,
  foundation: Foundation,
  log: Logger,
  { clock, serving }: Required<CompositionOptions>,
  closing: Array<() => Promise<unknown>>,
): Promise<Gateway> {
  const { servingUrl, secrets } = foundation;
  const { accessToken, session, password, rateLimit } = config;
  const warn = (message: string, error?: unknown) => log.warn({ err: error }, message);
  const redisFor = (purpose: 'commands' | 'events') =>
    config.redis.url === undefined
      ? undefined
      : new RedisConnection({ url: config.redis.url, purpose, log: warn });
  const redis = redisFor('commands');
  if (redis) closing.push(async () => redis.close());
  const buckets = redis ? new RedisTokenBuckets(redis, clock, warn) : new InProcessTokenBuckets(clock);
  const rateLimiter = new RateLimiter(buckets, { ...rateLimit, rules: RATE_LIMIT_RULES });

  const orm = createOrm({ url: servingUrl, schema: SCHEMA, poolSize: POOL_SIZE });
  closing.push(() => orm.close());
  const fork = () => orm.em.fork();
  await migrationsReady(fork(), SCHEMA.migrations);
  await checkKeys(fork(), {
    TOKEN_KEY: secrets.tokenKeys,
    ENCRYPTION_KEY: secrets.encryptionKeys,
    PASSWORD_PEPPER: secrets.passwordPeppers,
  });

  const audit = new AuditLog();
  const redisListening = redisFor('events');
  const feed =
    redis && redisListening
      ? new RedisEventFeed(redis, redisListening)
      : new PostgresEventFeed(servingUrl, warn);
  closing.push(() => feed.close());
  const revocations = new Revocations(
    fork,
    feed,
    { maxStalenessSeconds: session.revocationMaxStalenessSeconds },
    warn,
  );
  closing.push(() => revocations.stop());
  const endings = new Endings(feed, revocations, { accessTokenTtlSeconds: accessToken.ttlSeconds });

  const box = new SecretBox(secrets.encryptionKeys);
  const outbox = new MailOutbox(box, feed);
  const { publicUrl, clientOrigins } = config.http;
  const clientOrigin = clientOrigins[0] ?? publicUrl;
  const letters = new Letters({ productName: config.productName, clientOrigin });
  const tokens = new OneTimeTokens();
  const notices = new OwnerNotices(outbox, letters, tokens, rateLimiter);
  const googleIdentities = new GoogleIdentities(notices, audit);
  const blockpassIdentities = new BlockpassIdentities();
  const identityProviders = [googleIdentities, blockpassIdentities];
  const linkChallenges = new LinkChallenges(identityProviders);
  const linkedIdentities = new LinkedIdentities(identityProviders, linkChallenges);
  const devMailbox =
    config.production || config.mail.smtpUrl !== undefined ? undefined : new DevMailbox(fork, box);

  const signingKeys = await SigningKeys.load(fork, box, accessToken, warn, (tx) => endings.keysChanged(tx));
  closing.push(() => signingKeys.stop());
  revocations.onChanged(EndingKind.KEYS, () => signingKeys.reload());
  const requirement = new SecondFactorRequirement(config.secondFactor.requiredFor);
  const accessTokens = new AccessTokens(signingKeys, clock, requirement, accessToken);
  const refreshTokens = new RefreshTokens(secrets.tokenKeys);
  const tokenPairs = new TokenPairs(accessTokens, refreshTokens);
  const store =
    redis && session.store === 'redis'
      ? new RedisSessionStore(redis, endings, session)
      : new PostgresSessionStore(endings, session);
  const signOut = new SignOut(store, endings, accessTokens, refreshTokens, audit);
  const rotation = new RefreshRotation(
    refreshTokens,
    store,
    endings,
    tokenPairs,
    notices,
    audit,
    rateLimiter,
  );
  const secure = publicUrl.startsWith('https:');
  const cookieStyle = new CookieStyle({ secure, domain: session.cookieDomain });
  const deviceCookie = new DeviceCookie({ secure });
  const devices = new KnownDevices(notices);
  const cookies = new TokenCookies(clock, cookieStyle);
  const delivery = {
    cookies: session.tokenDelivery !== 'body',
    body: session.tokenDelivery !== 'cookie',
  };
  const tokenDelivery = new TokenDelivery(cookies, deviceCookie, delivery);

  const threads = Math.max(1, availableParallelism() - 1);
  const hasher = new PasswordHasher({
    ...password,
    peppers: secrets.passwordPeppers,
    threads,
    queue: threads * HASH_QUEUE_PER_THREAD,
  });
  closing.push(() => hasher.close());
  const passwords = new Passwords(hasher, { minLength: password.minLength, productName: config.productName });
  await passwords.checkPeppers(fork(), secrets.passwordPeppers);
  const ownerProof = new OwnerProof(passwords, audit, rateLimiter, clock);
  const passwordChange = new PasswordChange(passwords, ownerProof, tokens, endings, signOut, notices, audit);
  const { emailConfirmation } = config;
  const addressBook = new AddressBook(tokens);
  const registrationMail = new RegistrationMail(tokens, letters, addressBook);
  const confirmationMail = new ConfirmationMail(tokens, letters, registrationMail);
  const toNewAddress = new NewAddressMail(letters, addressBook);
  const toOldAddress = new OldAddressMail(letters);
  const recoveryMail = new RecoveryMail(tokens, letters);
  const registration = new Registration(
    passwords,
    addressBook,
    { outbox, confirmation: confirmationMail, registration: registrationMail },
    audit,
    rateLimiter,
    { emailConfirmation },
  );
  const emailChange = new EmailChange(
    ownerProof,
    tokens,
    addressBook,
    { outbox, toNewAddress, toOldAddress },
    audit,
    rateLimiter,
  );
  const confirmation = new EmailConfirmation(
    addressBook,
    emailChange,
    passwords,
    outbox,
    confirmationMail,
    audit,
    rateLimiter,
  );
  const activation = new Activation(keepSuperuser, endings, signOut, audit);
  const deactivation = new Deactivation(ownerProof, activation, tokens, endings, notices);
  const farewell = new FarewellMail(letters);
  const vault = new KycVault(box);
  const personalData = [
    passwordData,
    secondFactorData,
    sessionData(store),
    roleData,
    mailedLinkData,
    googleData,
    new KycData(vault),
    auditData,
  ];
  const deletion = new AccountDeletion(
    ownerProof,
    keepSuperuser,
    tokens,
    endings,
    signOut,
    personalData,
    { outbox, farewell },
    audit,
  );
  const dataExport = new DataExport(personalData, rateLimiter);
  const recovery = new AccountRecovery(
    tokens,
    passwords,
    endings,
    signOut,
    activation,
    { outbox, recovery: recoveryMail },
    notices,
    audit,
    rateLimiter,
  );

  const totpSecrets = new TotpSecrets(secrets.encryptionKeys);
  await totpSecrets.checkKeys(fork());
  const recoveryCodes = new RecoveryCodes();
  const allowance = new GuessAllowance(rateLimiter);
  const secondFactors = new SecondFactors(allowance, totpSecrets, recoveryCodes, notices, audit, clock);
  const changeUndo = new EmailChangeUndo(
    tokens,
    addressBook,
    linkedIdentities,
    passwords,
    secondFactors,
    endings,
    signOut,
    { outbox, recovery: recoveryMail },
    audit,
    rateLimiter,
  );
  const totpEnrolments = new TotpEnrolments(
    totpSecrets,
    recoveryCodes,
    ownerProof,
    store,
    signOut,
    endings,
    notices,
    audit,
    rateLimiter,
    clock,
    { issuer: config.productName },
  );
  const secondFactorChanges = new SecondFactorChanges(
    secondFactors,
    recoveryCodes,
    ownerProof,
    signOut,
    endings,
    requirement,
    notices,
    audit,
    rateLimiter,
  );
  const accountFactors = new AccountFactors();
  const challenges = new SignInChallenges();
  const signIn = new SignIn(
    store,
    endings,
    tokenPairs,
    secondFactors,
    challenges,
    linkChallenges,
    devices,
    notices,
    audit,
    { sessionTtlSeconds: session.ttlSeconds, emailConfirmation },
  );
  const googleFeature = () => {
    if (!config.google) return null;
    const redirectUri = `${publicUrl}${CALLBACK_PATH}`;
    const issuer = new GoogleIssuer({ ...config.google, redirectUri }, clock);
    const idTokens = new IdTokens(issuer, clock);
    const tickets = new GoogleTickets();
    const claim = new AccountClaim(
      passwords,
      secondFactors,
      devices,
      linkedIdentities,
      tokens,
      endings,
      signOut,
      audit,
    );
    const googleAccounts = new GoogleAccounts(
      googleIdentities,
      linkChallenges,
      addressBook,
      claim,
      endings,
      notices,
      audit,
    );
    const googleSignIn = new GoogleSignIn(
      issuer,
      idTokens,
      tickets,
      googleAccounts,
      googleIdentities,
      signIn,
      audit,
      rateLimiter,
    );
    return {
      signIn: googleSignIn,
      linking: new GoogleLinking(
        googleSignIn,
        googleIdentities,
        linkedIdentities,
        accountFactors,
        notices,
        audit,
      ),
      flow: new RedirectFlow(issuer, idTokens, tickets, googleSignIn),
    };
  };
  const google = googleFeature();
  // Never of a domain: the flow begins and ends at this host.
  const hostCookies = new CookieStyle({ secure, domain: undefined });
  const permissions = new PermissionTable(fork, GATEWAY_PERMISSIONS);
  revocations.onChanged(EndingKind.ROLES, () => permissions.load());

  const { blockpass } = config;
  const blockpassApi = new BlockpassApi(blockpass, clock);
  const evidence = new Evidence(blockpassApi, blockpass);
  const kycRecords = new KycRecords(vault, endings, audit, blockpass);
  const websiteSignIns = new WebsiteSignIns(
    blockpassApi,
    signIn,
    blockpassIdentities,
    feed,
    notices,
    audit,
    rateLimiter,
  );
  const signInWatch = new SignInWatch(websiteSignIns, fork, feed, warn);
  closing.push(async () => signInWatch.stop());
  const kycReview = new KycReview(
    blockpassApi,
    new BlockpassPerson(blockpassApi, kycRecords, vault),
    kycRecords,
    evidence,
    vault,
    endings,
    audit,
    clock,
    certificateIssuing(blockpass),
    warn,
  );
  const appCalls = new AppCalls(
    blockpassApi,
    kycRecords,
    vault,
    new UploadPasses(vault),
    evidence,
    websiteSignIns,
    rateLimiter,
    blockpass,
  );
  const isAuthorized = authorizationChecker(permissions, accountFactors, clock);
  const mayReview = async (context: RequestContext) => {
    const caller = await context.authenticate();
    return caller !== null && permissions.permits(caller.roles, KycPermission.REVIEW);
  };

  const schema = await buildSchema({
    resolvers: RESOLVERS,
    isAuthorized,
    instances: [
      new AccountResolver(registration, new Profiles(audit, rateLimiter), passwords),
      new AuthenticationResolver(
        new PasswordLogin(passwords, signIn, devices, audit, rateLimiter, { emailConfirmation }),
        new SecondStep(signIn, rateLimiter),
        new Reauthentication(
          passwords,
          secondFactors,
          google?.signIn ?? null,
          store,
          tokenPairs,
          audit,
          rateLimiter,
        ),
        rotation,
        cookies,
        tokenDelivery,
      ),
      new AccountEndResolver(dataExport, deactivation, deletion),
      new GoogleResolver(google, googleIdentities, tokenDelivery, hostCookies),
      new EmailResolver(confirmation, emailChange),
      new RecoveryResolver(recovery, changeUndo),
      new PasswordResolver(passwordChange),
      new TotpResolver(totpEnrolments, secondFactorChanges, accountFactors),
      new RecoveryCodeResolver(recoveryCodes, secondFactorChanges),
      new SessionResolver(store, signOut, cookies, requirement),
      new RoleResolver(permissions, new RoleAdministration(endings, audit)),
      new AdministrationResolver(
        new UserDirectory(),
        new UserAdministration(activation, signOut, endings, audit),
        store,
        audit,
      ),
      new AuditResolver(new AuditTrail(), audit),
      new BlockpassSignInResolver(websiteSignIns, signInWatch, tokenDelivery, cookieStyle, {
        ...blockpass,
        bindingCookie: delivery.cookies,
      }),
      new KycRecordResolver(kycReview, kycRecords, vault, blockpass),
      new KycItemResolver(vault, mayReview, config.http.publicUrl),
      new KycUserResolver(),
      new ErrorCodesResolver(),
    ],
  });

  const chores = [
    expiredSessions,
    oldEndings,
    expiredTokens,
    expiredRegistrations,
    expiredChallenges,
    expiredLinkChallenges,
    expiredGoogleTickets,
    expiredEnrolments,
    fullAllowances,
    totpSecrets.resealing,
    oldMailJobs,
    oldDevMails,
    oldAuditEvents,
    expiredPasses,
    oldSignIns,
    forgottenDevices,
  ];
  const housekeeping = new Housekeeping(fork, chores, (message, facts) => log.info(facts, message));
  closing.push(() => housekeeping.stop());

  const mailTransport =
    config.mail.smtpUrl === undefined
      ? devMailbox
      : new SmtpTransport({ url: config.mail.smtpUrl, from: config.mail.from });
  const mailWriters = [
    notices,
    confirmationMail,
    registrationMail,
    recoveryMail,
    toNewAddress,
    toOldAddress,
    farewell,
  ];
  const mailWorker =
    mailTransport &&
    new MailWorker(fork, box, feed, mailTransport, mailWriters, {
      warn: (message, facts) => log.warn(facts, message),
    });
  if (mailWorker) closing.push(() => mailWorker.stop());
  else log.warn('SMTP_URL is not set: mails wait in the database until it is');

  const contexts = requestContexts(
    fork,
    new CallerVerification(cookies, accessTokens, revocations),
    deviceCookie.name,
  );
  let draining = false;
  const app = await createServer({
    ...config.http,
    production: config.production,
    introspection: config.graphql.introspection,
    schema,
    tokenCookies: [...cookies.names, bindingCookieName(cookieStyle)],
    routes: [
      jwksRoutes(signingKeys),
      ...(clientOrigin === publicUrl ? [linkPages(config)] : []),
      ...(blockpass.enabled ? [blockpassRoutes(appCalls, contexts.of, blockpass)] : []),
      ...(google ? [googleRoutes(google.flow, contexts.of, hostCookies, { clientOrigin })] : []),
    ],
    guardedRoutes: [
      kycFileRoutes(vault, audit, (context, demand) => isAuthorized(context, [demand]), contexts.of),
    ],
    devMailbox,
    health: {
      isDraining: () => draining,
      probes: {
        database: () => migrationsReady(fork(), SCHEMA.migrations),
        ...(redis && { redis: () => redis.ping() }),
      },
    },
    fork,
    audit,
    contexts,
    rateLimiter,
    log,
  });
  closing.push(() => app.close());

  await permissions.load();
  await revocations.start();
  await Promise.all([feed.start(), redis?.start()]);
  signingKeys.start();
  if (serving) {
    housekeeping.start();
    mailWorker?.start();
  }
  return {
    app,
    fork,
    superusers: new Superusers(registration, endings, audit),
    secondFactorChanges,
    userImport: new UserImport(passwords, addressBook, audit),
    signingKeys,
    keyRotation: new KeyRotation(endings, audit, box, accessToken),
    caughtUp: () => revocations.catchUp(),
    mailsWithToken: { 'confirm-email': confirmationMail, 'reset-password': recoveryMail },
    async close() {
      draining = true;
      const impatience = setTimeout(() => app.server.closeAllConnections(), DRAIN_TIMEOUT);
      await closeAll(closing).finally(() => clearTimeout(impatience));
    },
  };
}

/** @throws {InvalidSettings} the key has another checksum than its characters. */
function certificateIssuing({
  issuing,
  clientId,
  baseUrl,
}: Config['blockpass']): CertificateIssuing | undefined {
  if (!issuing) return undefined;
  const { signingKey, slug, legalName, logo } = issuing;
  const organization = { identifier: clientId, legalName, ...(logo !== undefined && { logo }) };
  try {
    return { key: readWalletImportFormat(signingKey), slug, baseUrl, organization };
  } catch (error) {
    throw new InvalidSettings([`BLOCKPASS_SIGNING_KEY ${(error as Error).message}`]);
  }
}

/** Migrates as the owner of the tables. */
export async function withMigrations<T>(
  { ownerUrl, servingUrl }: Foundation,
  work: (migrations: Migrations, orm: MikroORM) => Promise<T>,
  {
    auditRetentionDays,
    onSingleLogin = () => {},
  }: { auditRetentionDays?: number; onSingleLogin?: () => void } = {},
): Promise<T> {
  const orm = createOrm({ url: ownerUrl, schema: SCHEMA, poolSize: 2, timeouts: 'none' });
  try {
    const migrations = new Migrations(orm, ownerUrl, async () => {
      if (!(await grantRights(ownerUrl, servingUrl, SERVING_RIGHTS))) onSingleLogin();
      if (auditRetentionDays !== undefined) await setAuditRetention(orm.em.fork(), auditRetentionDays);
    });
    return await work(migrations, orm);
  } finally {
    await orm.close();
  }
}

/** The last opened first; one that fails does not keep the others open. */
async function closeAll(closing: ReadonlyArray<() => Promise<unknown>>): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closing.toReversed()) await close().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, 'parts of the gateway did not close');
}
