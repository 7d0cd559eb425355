import '@fastify/cookie';
import type { FastifyRequest } from 'fastify';
import { ErrorCode, GatehouseError } from '../platform/errors.ts';

export interface OriginGuardOptions {
  /** Own origin and those of the frontends. */
  readonly allowedOrigins: readonly string[];
  /** Cookies that carry tokens. */
  readonly tokenCookies: readonly string[];
  /** In development `localhost` and `127.0.0.1` count as one. Browsers still take them for two sites, with cookies apart. */
  readonly loopbackIsOne: boolean;
  /** Told the header Origin of a request that is refused for it. */
  readonly onForeign: (origin: string) => void;
}

export type OriginCheck = (origin: string) => boolean;

/** Exact matches only (RFC 6454): no prefixes, no suffixes, never `null`. */
export function originCheck({
  allowedOrigins,
  loopbackIsOne,
}: Pick<OriginGuardOptions, 'allowedOrigins' | 'loopbackIsOne'>): OriginCheck {
  const canonical = (origin: string) =>
    loopbackIsOne ? origin.replace(/^(https?:\/\/)(?:127\.0\.0\.1|\[::1\])(?=:|$)/, '$1localhost') : origin;
  const allowed = new Set(allowedOrigins.map(canonical));
  return (origin) => allowed.has(canonical(origin));
}

/** A page that may not call us sent it: whoever its cookies belong to did not ask for it. */
export class ForeignOrigin extends GatehouseError {
  constructor() {
    super(ErrorCode.FORBIDDEN, 'This origin may not call the gateway; see CLIENT_ORIGIN.');
  }
}

/**
 * Refuses what a foreign page could make a browser send. SameSite is only a second line of defence
 * (draft-ietf-httpbis-rfc6265bis section 8.8), so the origin of a request is checked wherever a cookie could speak
 * for its user, and wherever a reply could set one (login CSRF): everywhere but for a bearer without cookies.
 * @throws {ForeignOrigin}
 */
export function originGuard(options: OriginGuardOptions) {
  const isAllowed = originCheck(options);
  return async (request: FastifyRequest): Promise<void> => {
    const { origin, authorization } = request.headers;
    const carriesCookie = options.tokenCookies.some((name) => request.cookies[name] !== undefined);
    if (authorization !== undefined && !carriesCookie) return;
    const crossSite = carriesCookie && request.headers['sec-fetch-site'] === 'cross-site';
    const foreign = origin === undefined ? crossSite : !isAllowed(origin);
    if (!foreign) return;
    if (origin !== undefined) options.onForeign(origin);
    throw new ForeignOrigin();
  };
}
