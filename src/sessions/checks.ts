import type { PlatformSettings } from '../platform/compose.ts';
import { type Check, fail, ok, warn } from '../platform/doctor/index.ts';
import { judgeKeeping, keepingOf, onRedis, REDIS_CONNECTION } from '../platform/redis/checks.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import type { SESSION_SETTINGS } from './settings.ts';

type SessionCheck = Check<PlatformSettings & ConfigOf<typeof SESSION_SETTINGS>>;

/** Browsers use the private part of the public suffix list too, such as github.io. */
const AS_BROWSERS = { allowPrivateDomains: true };

const cookieDomain: SessionCheck = {
  name: 'sessions.cookie-domain',
  async run({ config: { session } }) {
    const domain = session.cookieDomain;
    if (domain === undefined || session.tokenDelivery === 'body') return null;
    const { getPublicSuffix } = await import('tldts');
    return getPublicSuffix(domain, AS_BROWSERS) === domain
      ? fail(
          `COOKIE_DOMAIN ${domain} is a public suffix, so browsers drop every cookie of the gateway.`,
          'Set COOKIE_DOMAIN to your own domain below it, or leave it out.',
        )
      : ok(`Browsers accept cookies for COOKIE_DOMAIN ${domain}.`);
  },
};

/** Cookies are SameSite=Lax: a page of another site does not send them (RFC 6265bis section 5.2, "Same-site"). */
const sameSite: SessionCheck = {
  name: 'sessions.same-site',
  async run({ config: { http, session } }) {
    const { publicUrl, clientOrigins } = http;
    if (session.tokenDelivery === 'body') return null;
    const { getDomain } = await import('tldts');
    const siteOf = (origin: string) => {
      const { protocol, hostname } = new URL(origin);
      return `${protocol}//${getDomain(hostname, AS_BROWSERS) ?? hostname}`;
    };
    const elsewhere = clientOrigins.filter((origin) => siteOf(origin) !== siteOf(publicUrl));
    if (elsewhere.length === 0)
      return ok('The front ends are on the site of PUBLIC_URL, so browsers send its cookies.');
    const message = `CLIENT_ORIGIN ${elsewhere.join(' and ')} is on another site than PUBLIC_URL, so browsers send no cookies from there.`;
    return session.tokenDelivery === 'cookie'
      ? fail(message, 'Serve both under one domain and one scheme, or set TOKEN_DELIVERY=both or body.')
      : warn(
          message,
          'Serve both under one domain and one scheme, or let that front end send its tokens in headers.',
        );
  },
};

const store: SessionCheck = {
  name: 'sessions.store',
  after: REDIS_CONNECTION,
  async run({ config: { redis, session } }) {
    if (session.store !== 'redis') return null;
    const results = (await onRedis(redis.url ?? '', keepingOf)).flatMap(judgeKeeping);
    // The servers of a cluster usually share a mistake.
    const different = new Map(results.map((result) => [result.message, result]));
    return different.size > 0
      ? [...different.values()]
      : ok('Redis keeps sessions: it evicts none, and writes each one to disk.');
  },
};

export const SESSION_CHECKS = [cookieDomain, sameSite, store] as const;
