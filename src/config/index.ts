import { isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import { type AuditStreamTarget, auditStreamTarget } from '../platform/audit/audit-stream-target.ts';
import { databaseUrl } from '../platform/database/database-url.ts';
import type { Keyring } from '../platform/keyring.ts';
import { smtpUrl } from '../platform/mail/smtp-url.ts';
import { type BucketRule, bucketRules } from '../platform/rate-limit/rules.ts';
import { redisUrl } from '../platform/redis/redis-url.ts';
import {
  audiences,
  flag,
  hostName,
  keyring,
  list,
  mailbox,
  networks,
  oneOf,
  origin,
  plainName,
  text,
  wholeNumber,
} from '../platform/setting-parsers.ts';
import { type Environment, SettingsReader } from '../platform/settings.ts';
import { type BlockpassSettings, checkBlockpass, readBlockpass } from './blockpass.ts';
import { type GoogleSettings, readGoogle } from './google.ts';
import { checkNames } from './misspelt-names.ts';
import { type PlaceSettings, readPlaces, type SocketSettings } from './places.ts';

export type { BlockpassSettings } from './blockpass.ts';

export const JWT_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

export type SessionStoreKind = 'postgres' | 'redis';
export type DpopMode = 'off' | 'optional' | 'required';
export type TokenDelivery = 'both' | 'cookie' | 'body';
export type PasswordScheme = 'bcrypt' | 'argon2id';
/** Where mailed links open and sign-ins by redirect end: at pages of the gateway, of the frontend, or nowhere. */
export type LinkPages = 'gateway' | 'client' | 'off';
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

/** What the environment says, parsed once. Times are in the unit that the name ends with. */
export interface Config {
  readonly production: boolean;
  readonly http: {
    readonly host: string;
    readonly port: number;
    /** Origin under which a browser on this machine reaches the gateway, without a proxy. */
    readonly localUrl: string;
    /** Own origin as clients see it: issuer of tokens, own links, cookie security. */
    readonly publicUrl: string;
    /** Origins that browsers may call from. The first one is the frontend. */
    readonly clientOrigins: readonly string[];
    /** Addresses and networks whose X-Forwarded-For counts. */
    readonly trustedProxies: readonly string[];
    readonly linkPages: LinkPages;
    readonly requireRequestId: boolean;
    /** Seconds from the arrival of a request, after which it has no effect any more. */
    readonly requestMaxAgeSeconds: number;
    /** Seconds between a red readiness and a closed listener. */
    readonly shutdownDelaySeconds: number;
    /** Connections open at once in one process. */
    readonly connections: PlaceSettings;
    /** Connections among them that became WebSockets. */
    readonly sockets: SocketSettings;
  };
  readonly graphql: { readonly introspection: boolean };
  readonly dataDir: string;
  readonly database: {
    /** Login that serves. Unset: the embedded PostgreSQL in `dataDir`. */
    readonly url: string | undefined;
    /** Login that owns the tables and migrates. */
    readonly migrationUrl: string | undefined;
    readonly migrateOnStart: boolean;
  };
  /** For several processes: rate limits, wake-ups and, when they are kept there, sessions. Unset: each process limits for itself. */
  readonly redis: { readonly url: string | undefined };
  /** Unset ones are generated into `dataDir`, in development only. */
  readonly secrets: {
    readonly tokenKeys: Keyring | undefined;
    readonly encryptionKeys: Keyring | undefined;
    readonly passwordPeppers: Keyring | undefined;
  };
  readonly accessToken: {
    readonly algorithm: JwtAlgorithm;
    readonly rsaBits: number;
    readonly issuer: string;
    readonly audience: string;
    /** Of tokens that can only enrol a second factor. */
    readonly enrolAudience: string;
    readonly ttlSeconds: number;
    /** Services that a token of their own can be asked for. */
    readonly serviceAudiences: readonly string[];
    readonly serviceTtlSeconds: number;
    /** PEM file of the operator's own signing key; otherwise keys are made and kept in the database. */
    readonly privateKeyFile: string | undefined;
  };
  readonly session: {
    /** What keeps the active sessions. What ended is in PostgreSQL always. */
    readonly store: SessionStoreKind;
    /** Absolute life. Rotation never moves it. */
    readonly ttlSeconds: number;
    /** Life of a session that is not refreshed; unset: no such limit. */
    readonly idleTtlSeconds: number | undefined;
    /** With one more, the oldest ends. */
    readonly maxPerUser: number;
    /** How long the immediate predecessor of a refresh token still gets the same successor. */
    readonly refreshGraceSeconds: number;
    /** Age of the list of revocations beyond which each request asks the database. */
    readonly revocationMaxStalenessSeconds: number;
    readonly tokenDelivery: TokenDelivery;
    /** Whether sessions are bound to keys of their clients. */
    readonly dpop: DpopMode;
    /** Domain attribute of the cookies, for frontends on sibling hosts. */
    readonly cookieDomain: string | undefined;
  };
  readonly password: {
    readonly scheme: PasswordScheme;
    readonly bcryptCost: number;
    /** Unicode code points. */
    readonly minLength: number;
  };
  readonly mail: {
    /** Unset: the development mailbox; in production mails wait until it is set. */
    readonly smtpUrl: string | undefined;
    /** `Name <address>`. */
    readonly from: string;
  };
  /** How mails and authenticator apps call the service. */
  readonly productName: string;
  /** `required`: nobody signs in to an account whose address is not proved. */
  readonly emailConfirmation: 'optional' | 'required';
  /** Whose sessions can do nothing but enrol a second factor until they have one. */
  readonly secondFactor: { readonly requiredFor: 'all' | readonly string[] };
  /** How long audit events are kept; `migrate up` and a start that migrates write it into the database. */
  readonly auditRetentionDays: number;
  /** Where audit events are shipped to, outside of the database. */
  readonly auditStream: AuditStreamTarget;
  readonly blockpass: BlockpassSettings;
  /** Undefined: nobody signs in by Google. */
  readonly google: GoogleSettings | undefined;
  readonly rateLimit: { readonly enabled: boolean; readonly overrides: Readonly<Record<string, BucketRule>> };
  readonly logLevel: LogLevel;
  /** What is probably a mistake, in sentences for the operator. */
  readonly warnings: readonly string[];
}

/** A comma list of names of roles; `all` alone is everybody. */
function everybodyOrRoles(value: string): 'all' | string[] {
  const names = list(value);
  if (!names.includes('all')) return names;
  if (names.length > 1) throw new Error('must be a comma list of roles, or all alone');
  return 'all';
}

/** What the environment does not say. */
export interface ConfigSurroundings {
  /** The rate limits that there are; undefined: any name is taken for one. */
  readonly rateLimitRules?: readonly string[];
  /** What was noticed before the settings are read. */
  readonly warnings?: readonly string[];
}

/**
 * Reads the settings of docs/configuration.md.
 * @throws {InvalidSettings} with all problems together, never with a value.
 */
export function loadConfig(
  environment: Environment,
  { rateLimitRules, warnings = [] }: ConfigSurroundings = {},
): Config {
  const read = new SettingsReader(environment);
  read.warnings.push(...warnings);
  const production =
    read.withDefault('NODE_ENV', oneOf('development', 'production', 'test'), 'development') === 'production';

  const port = read.withDefault('PORT', wholeNumber({ min: 1, max: 65_535 }), 4000);
  const host = read.withDefault('HOST', text, '127.0.0.1');
  const localUrl = `http://${nameOf(host)}:${port}`;
  const publicUrl = read.withDefault('PUBLIC_URL', origin, `http://localhost:${port}`);
  const productName = read.withDefault('PRODUCT_NAME', plainName, 'Gatehouse');
  const issuer = read.withDefault('JWT_ISSUER', text, publicUrl);
  const servingUrl = read.secret('DATABASE_URL', databaseUrl);

  const config: Config = {
    production,
    http: {
      host,
      port,
      localUrl,
      publicUrl,
      clientOrigins: read.withDefault('CLIENT_ORIGIN', (value) => list(value).map(origin), [publicUrl]),
      trustedProxies: read.withDefault('TRUSTED_PROXIES', networks, []),
      linkPages: read.withDefault('LINK_PAGES', oneOf('gateway', 'client', 'off'), 'gateway'),
      requireRequestId: read.withDefault('REQUIRE_REQUEST_ID', flag, false),
      requestMaxAgeSeconds: read.withDefault('REQUEST_MAX_AGE_SECONDS', wholeNumber({ min: 1, max: 60 }), 10),
      shutdownDelaySeconds: read.withDefault(
        'SHUTDOWN_DELAY_SECONDS',
        wholeNumber({ min: 0, max: 120 }),
        production ? 5 : 0,
      ),
      ...readPlaces(read),
    },
    graphql: { introspection: read.withDefault('GRAPHQL_INTROSPECTION', flag, !production) },
    dataDir: resolve(read.withDefault('DATA_DIR', text, '.data')),
    database: {
      url: servingUrl,
      migrationUrl: read.secret('DATABASE_MIGRATION_URL', databaseUrl) ?? servingUrl,
      migrateOnStart: read.withDefault('MIGRATE_ON_START', flag, !production),
    },
    redis: { url: read.secret('REDIS_URL', redisUrl) },
    secrets: {
      tokenKeys: read.secret('TOKEN_KEY', keyring),
      encryptionKeys: read.secret('ENCRYPTION_KEY', keyring),
      passwordPeppers: read.secret('PASSWORD_PEPPER', keyring),
    },
    accessToken: {
      algorithm: read.withDefault('JWT_ALG', oneOf(...JWT_ALGORITHMS), 'RS256'),
      rsaBits: read.withDefault('JWT_RSA_BITS', wholeNumber({ min: 2048, max: 4096 }), 2048),
      issuer,
      audience: read.withDefault('JWT_AUDIENCE', text, 'gatehouse'),
      enrolAudience: `${issuer}/enrol`,
      ttlSeconds: read.withDefault('ACCESS_TOKEN_TTL_SECONDS', wholeNumber({ min: 30, max: 86_400 }), 3600),
      serviceAudiences: read.withDefault('JWT_SERVICE_AUDIENCES', audiences, []),
      serviceTtlSeconds: read.withDefault(
        'JWT_SERVICE_TTL_SECONDS',
        wholeNumber({ min: 30, max: 3_600 }),
        300,
      ),
      privateKeyFile: read.optional('JWT_PRIVATE_KEY_FILE', text),
    },
    session: {
      store: read.withDefault('SESSION_STORE', oneOf('postgres', 'redis'), 'postgres'),
      ttlSeconds: read.withDefault(
        'REFRESH_TOKEN_TTL_SECONDS',
        wholeNumber({ min: 60, max: 31_536_000 }),
        5_184_000,
      ),
      idleTtlSeconds: read.optional('SESSION_IDLE_TTL_SECONDS', wholeNumber({ min: 60, max: 31_536_000 })),
      maxPerUser: read.withDefault('MAX_SESSIONS_PER_USER', wholeNumber({ min: 1, max: 1_000 }), 50),
      refreshGraceSeconds: read.withDefault('REFRESH_GRACE_SECONDS', wholeNumber({ min: 0, max: 300 }), 30),
      revocationMaxStalenessSeconds: read.withDefault(
        'REVOCATION_MAX_STALENESS_SECONDS',
        wholeNumber({ min: 1, max: 60 }),
        2,
      ),
      tokenDelivery: read.withDefault('TOKEN_DELIVERY', oneOf('both', 'cookie', 'body'), 'both'),
      dpop: read.withDefault('DPOP', oneOf('off', 'optional', 'required'), 'off'),
      cookieDomain: read.optional('COOKIE_DOMAIN', hostName),
    },
    password: {
      scheme: read.withDefault('PASSWORD_HASH', oneOf('bcrypt', 'argon2id'), 'bcrypt'),
      bcryptCost: read.withDefault(
        'PASSWORD_BCRYPT_COST',
        wholeNumber({ min: production ? 10 : 4, max: 16 }),
        12,
      ),
      minLength: read.withDefault('PASSWORD_MIN_LENGTH', wholeNumber({ min: 8, max: 64 }), 12),
    },
    mail: {
      smtpUrl: read.secret('SMTP_URL', smtpUrl),
      from: read.withDefault(
        'MAIL_FROM',
        mailbox,
        `${productName} <no-reply@${new URL(publicUrl).hostname}>`,
      ),
    },
    productName,
    emailConfirmation: read.withDefault('EMAIL_CONFIRMATION', oneOf('optional', 'required'), 'optional'),
    secondFactor: {
      requiredFor: read.withDefault('SECOND_FACTOR_REQUIRED_FOR', everybodyOrRoles, []),
    },
    auditRetentionDays: read.withDefault('AUDIT_RETENTION_DAYS', wholeNumber({ min: 1, max: 36_500 }), 365),
    auditStream: read.withDefault('AUDIT_STREAM', auditStreamTarget, 'off'),
    blockpass: readBlockpass(read, production, productName),
    google: readGoogle(read, production),
    rateLimit: {
      enabled: read.withDefault('RATE_LIMIT', flag, true),
      overrides: read.withDefault('RATE_LIMIT_RULES', bucketRules(rateLimitRules), {}),
    },
    logLevel: read.withDefault(
      'LOG_LEVEL',
      oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
      'info',
    ),
    warnings: read.warnings,
  };

  checkTogether(read, config);
  checkNames(read, production);
  read.finish();
  return deepFreeze(config);
}

/** How this machine calls the address that the gateway listens on. */
function nameOf(host: string): string {
  if (['127.0.0.1', '::1', '0.0.0.0', '::'].includes(host)) return 'localhost';
  return isIPv6(host) ? `[${host}]` : host;
}

/** Rules that need more than one setting. */
function checkTogether(read: SettingsReader, config: Config): void {
  checkPort(read, config.http);
  if (config.session.store === 'redis' && !read.isSet('REDIS_URL')) {
    read.problem('SESSION_STORE is redis, so REDIS_URL must be set too');
  }

  if (config.http.linkPages === 'client' && !read.isSet('CLIENT_ORIGIN')) {
    read.problem('LINK_PAGES is client, so CLIENT_ORIGIN must be set too: mailed links open there');
  }
  if (read.isSet('DATABASE_MIGRATION_URL') && !read.isSet('DATABASE_URL')) {
    read.problem('DATABASE_MIGRATION_URL is set, so DATABASE_URL must be set too');
  }
  const { cookieDomain, idleTtlSeconds } = config.session;
  if (idleTtlSeconds !== undefined && idleTtlSeconds <= config.accessToken.ttlSeconds) {
    read.problem(
      'SESSION_IDLE_TTL_SECONDS must be longer than ACCESS_TOKEN_TTL_SECONDS: only a refresh counts as use',
    );
  }
  if (config.accessToken.audience === config.accessToken.enrolAudience) {
    read.problem('JWT_AUDIENCE must not be the audience of tokens that can only enrol a second factor');
  }
  if (config.session.dpop !== 'off' && config.session.tokenDelivery === 'cookie') {
    read.problem('DPOP needs TOKEN_DELIVERY=both or body: a cookie is sent without a proof');
  }
  const { audience, enrolAudience, serviceAudiences } = config.accessToken;
  if ([audience, enrolAudience].some((own) => serviceAudiences.includes(own))) {
    read.problem(
      'JWT_SERVICE_AUDIENCES must not name JWT_AUDIENCE: the gateway would accept a token of a service',
    );
  }
  const ownHost = new URL(config.http.publicUrl).hostname;
  if (cookieDomain !== undefined && ownHost !== cookieDomain && !ownHost.endsWith(`.${cookieDomain}`)) {
    read.problem('COOKIE_DOMAIN must be the host of PUBLIC_URL or a domain above it');
  }
  if (config.production) checkProduction(read, config);
}

/** Whether an origin is on this machine, without a proxy that ends TLS. */
export function isHere(origin: string): boolean {
  const { protocol, hostname } = new URL(origin);
  return protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}

/** Links in mails and tokens name PUBLIC_URL, and lead nowhere when it names a port that has no listener. */
function checkPort(read: SettingsReader, { port, publicUrl }: Config['http']): void {
  const url = new URL(publicUrl);
  if (!isHere(publicUrl) || Number(url.port || 80) === port) return;
  const right = `http://${url.hostname}:${port}`;
  read.warning(
    `PUBLIC_URL is ${publicUrl}, but PORT is ${port}: leave PUBLIC_URL out, or set PUBLIC_URL=${right}. Only a proxy or a container that maps the ports makes both right.`,
  );
}

/** Production refuses what is only safe on a developer's machine. */
function checkProduction(read: SettingsReader, config: Config): void {
  const needed = ['DATABASE_URL', 'TOKEN_KEY', 'ENCRYPTION_KEY', 'PASSWORD_PEPPER', 'PUBLIC_URL'];
  for (const name of needed) {
    if (!read.isSet(name)) read.problem(`${name} must be set when NODE_ENV=production`);
  }
  const isSafe = (url: string) => url.startsWith('https:') || new URL(url).hostname === 'localhost';
  const rule = 'must begin with https:// when NODE_ENV=production (http only for localhost)';
  if (!isSafe(config.http.publicUrl)) read.problem(`PUBLIC_URL ${rule}`);
  if (!config.http.clientOrigins.every(isSafe)) read.problem(`CLIENT_ORIGIN ${rule}`);
  const { tokenKeys, encryptionKeys, passwordPeppers } = config.secrets;
  const ids = [tokenKeys, encryptionKeys, passwordPeppers].flatMap((keys) => keys?.map(({ id }) => id) ?? []);
  if (new Set(ids).size < ids.length) {
    read.problem('TOKEN_KEY, ENCRYPTION_KEY and PASSWORD_PEPPER must not share a key');
  }
  if (config.emailConfirmation === 'required' && !read.isSet('SMTP_URL')) {
    read.problem('SMTP_URL must be set for EMAIL_CONFIRMATION=required: nobody could confirm an address');
  }
  checkBlockpass(read);
  if (!config.rateLimit.enabled) read.problem('RATE_LIMIT must not be off when NODE_ENV=production');
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
