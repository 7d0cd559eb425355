import { REDIS_URL } from '../platform/redis/settings.ts';
import { PUBLIC_URL } from '../platform/server-settings.ts';
import { setting, settingsSection } from '../platform/setting-declaration.ts';
import {
  accepting,
  audiences,
  hostName,
  list,
  oneOf,
  text,
  wholeNumber,
} from '../platform/setting-parsers.ts';

const ACCESS_TOKEN_TTL_SECONDS = setting('ACCESS_TOKEN_TTL_SECONDS', {
  parse: wholeNumber({ min: 30, max: 86_400 }),
  default: 3600,
  description:
    'Life of an access token, in seconds. When you lower it, the gateway applies the new life to earlier tokens too. To raise it, stop every process first: a process with the smaller value forgets revocations sooner, and the others would accept longer tokens of ended sessions again.',
});

/** The tokens that the gateway signs. */
export const ACCESS_TOKEN_SETTINGS = settingsSection({
  title: 'Access tokens',
  settings: {
    algorithm: setting('JWT_ALG', {
      parse: oneOf('RS256', 'PS256', 'ES256', 'EdDSA'),
      default: 'RS256',
      description:
        'Signature algorithm. `ES256` and `EdDSA` sign in a tenth of the time. A changed algorithm signs 10 minutes after the first start with it, so that cached key sets have its key, or after `gatehouse keys rotate --now`.',
    }),
    rsaBits: setting('JWT_RSA_BITS', {
      parse: wholeNumber({ min: 2048, max: 4096 }),
      default: 2048,
      description: 'Bits of the RSA keys that the gateway makes.',
    }),
    issuer: setting('JWT_ISSUER', {
      parse: text,
      defaultFrom: { text: '`$PUBLIC_URL`', value: ({ of }) => of(PUBLIC_URL) },
      description: 'Claim `iss`.',
    }),
    audience: setting('JWT_AUDIENCE', {
      parse: text,
      default: 'gatehouse',
      description: 'Claim `aud`.',
    }),
    serviceAudiences: setting('JWT_SERVICE_AUDIENCES', {
      parse: audiences,
      default: [],
      description:
        'Services that clients can ask a [token of their own](clients.md#a-token-for-one-service) for, such as `reports,billing`; not `JWT_AUDIENCE`.',
    }),
    serviceTtlSeconds: setting('JWT_SERVICE_TTL_SECONDS', {
      parse: wholeNumber({ min: 30, max: 3_600 }),
      default: 300,
      description:
        'Life of a token for one service, in seconds. It never outlives the token that asked for it.',
    }),
    privateKeyFile: setting('JWT_PRIVATE_KEY_FILE', {
      parse: text,
      description:
        'PEM file of your own signing key, which must fit `JWT_ALG`. Otherwise the first start makes a key and keeps it encrypted in the database. A changed file voids the access tokens that the former one signed.',
    }),
    ttlSeconds: ACCESS_TOKEN_TTL_SECONDS,
  },
  config: (accessToken) => ({
    accessToken: {
      ...accessToken,
      /** Of tokens that can only enrol a second factor. */
      enrolAudience: enrolAudienceOf(accessToken.issuer),
    },
  }),
  check({ issuer, audience, serviceAudiences }, { problem }) {
    const enrolAudience = enrolAudienceOf(issuer);
    if (audience === enrolAudience) {
      problem('JWT_AUDIENCE must not be the audience of tokens that can only enrol a second factor');
    }
    if ([audience, enrolAudience].some((own) => serviceAudiences.includes(own))) {
      problem(
        'JWT_SERVICE_AUDIENCES must not name JWT_AUDIENCE: the gateway would accept a token of a service',
      );
    }
  },
});

const enrolAudienceOf = (issuer: string): string => `${issuer}/enrol`;

/** Sessions. */
export const SESSION_SETTINGS = settingsSection({
  title: 'Sessions',
  settings: {
    ttlSeconds: setting('REFRESH_TOKEN_TTL_SECONDS', {
      parse: wholeNumber({ min: 60, max: 31_536_000 }),
      default: 5_184_000,
      description: 'Life of a session in seconds, from the sign-in on. No refresh moves it.',
    }),
    idleTtlSeconds: setting('SESSION_IDLE_TTL_SECONDS', {
      parse: wholeNumber({ min: 60, max: 31_536_000 }),
      description:
        'Seconds after which a session that is not refreshed is over; longer than `ACCESS_TOKEN_TTL_SECONDS`.',
    }),
    maxPerUser: setting('MAX_SESSIONS_PER_USER', {
      parse: wholeNumber({ min: 1, max: 1_000 }),
      default: 50,
      description: 'Sessions of one account. With one more, the oldest ends.',
    }),
    refreshGraceSeconds: setting('REFRESH_GRACE_SECONDS', {
      parse: wholeNumber({ min: 0, max: 300 }),
      default: 30,
      description:
        'Seconds for which the predecessor of a refresh token gets the same successor again. It does so whether or not the successor was used: see [the contract](design/sessions.md#the-refresh-contract).',
    }),
    revocationMaxStalenessSeconds: setting('REVOCATION_MAX_STALENESS_SECONDS', {
      parse: wholeNumber({ min: 1, max: 60 }),
      default: 2,
      description: 'Age of the list of revocations, in seconds, beyond which each request asks the database.',
    }),
    tokenDelivery: setting('TOKEN_DELIVERY', {
      parse: oneOf('both', 'cookie', 'body'),
      default: 'both',
      description: 'Where clients get their tokens: in cookies, in the body of the reply, or in both.',
    }),
    cookieDomain: setting('COOKIE_DOMAIN', {
      parse: hostName,
      description:
        'The cookies are also sent to the hosts below this domain, such as `example.com`. It is the host of `PUBLIC_URL` or a domain above it, for frontends on sibling hosts.',
    }),
    dpop: setting('DPOP', {
      parse: oneOf('off', 'optional', 'required'),
      default: 'off',
      description:
        'Whether clients bind their session to a key (RFC 9449). `optional`: clients may [bind it](clients.md#a-session-that-is-bound-to-a-key-dpop); `required`: all must, which leaves out browsers with cookies. Needs `TOKEN_DELIVERY=both` or `body`, and with several processes `REDIS_URL`: otherwise each process remembers used proofs for itself. Turn it on once every process runs this release. Back at `off`, bound sessions are refused.',
    }),
    store: setting('SESSION_STORE', {
      parse: oneOf('postgres', 'redis'),
      default: 'postgres',
      description:
        'Where active sessions are kept; `redis` needs `REDIS_URL`. See [below](#sessions-in-redis).',
    }),
  },
  config: (session) => ({ session }),
  check({ store, idleTtlSeconds, cookieDomain, dpop, tokenDelivery }, { of, isSet, problem }) {
    if (store === 'redis' && !isSet(REDIS_URL)) {
      problem('SESSION_STORE is redis, so REDIS_URL must be set too');
    }
    if (idleTtlSeconds !== undefined && idleTtlSeconds <= of(ACCESS_TOKEN_TTL_SECONDS)) {
      problem(
        'SESSION_IDLE_TTL_SECONDS must be longer than ACCESS_TOKEN_TTL_SECONDS: only a refresh counts as use',
      );
    }
    if (dpop !== 'off' && tokenDelivery === 'cookie') {
      problem('DPOP needs TOKEN_DELIVERY=both or body: a cookie is sent without a proof');
    }
    const ownHost = new URL(of(PUBLIC_URL)).hostname;
    if (cookieDomain !== undefined && ownHost !== cookieDomain && !ownHost.endsWith(`.${cookieDomain}`)) {
      problem('COOKIE_DOMAIN must be the host of PUBLIC_URL or a domain above it');
    }
  },
});

/** A comma list of names of roles; `all` alone is everybody. */
const everybodyOrRoles = accepting(
  'comma list of roles, or `all` alone',
  (value): 'all' | readonly string[] => {
    const names = list(value);
    if (!names.includes('all')) return names;
    if (names.length > 1) throw new Error('must be a comma list of roles, or all alone');
    return 'all';
  },
);

/** Sessions that can do nothing but enrol a second factor. */
export const SECOND_FACTOR_SETTINGS = settingsSection({
  title: 'Accounts and passwords',
  settings: {
    requiredFor: setting('SECOND_FACTOR_REQUIRED_FOR', {
      parse: everybodyOrRoles,
      default: [],
      description:
        'Roles that need a second factor; `superuser` is recommended. An account that has one of them and no second factor gets sessions that can do nothing but [enrol one](design/second-factors.md#who-must-have-one). It goes by the name: a renamed role counts as another role.',
    }),
  },
  config: (secondFactor) => ({ secondFactor }),
});
