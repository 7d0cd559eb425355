import '@fastify/cookie';
import type { FastifyRequest } from 'fastify';
import { ErrorCode, GatehouseError } from '../platform/errors.ts';

export interface OriginGuardOptions {
  /** The gateway's own origin and those of its front ends. */
  readonly allowedOrigins: readonly string[];
  /** Cookies that carry tokens. */
  readonly tokenCookies: readonly string[];
  /**
   * In development, `localhost` and `127.0.0.1` count as one origin. Browsers still treat them as two sites with
   * separate cookies.
   */
  readonly loopbackIsOne: boolean;
  /** Called with the header Origin of a refused request. */
  readonly onForeign: (origin: string) => void;
}

export type OriginCheck = (origin: string) => boolean;

/** Makes the check of an origin. Exact matches only (RFC 6454): no prefixes, no suffixes, never `null`. */
export function originCheck({
  allowedOrigins,
  loopbackIsOne,
}: Pick<OriginGuardOptions, 'allowedOrigins' | 'loopbackIsOne'>): OriginCheck {
  const canonical = (origin: string) =>
    loopbackIsOne ? origin.replace(/^(https?:\/\/)(?:127\.0\.0\.1|\[::1\])(?=:|$)/, '$1localhost') : origin;
  const allowed = new Set(allowedOrigins.map(canonical));
  return (origin) => allowed.has(canonical(origin));
}

/** The request comes from a page that may not call the gateway. The owner of its cookies did not ask for it. */
export class ForeignOrigin extends GatehouseError {
  constructor() {
    super(ErrorCode.FORBIDDEN, 'This origin may not call the gateway; see CLIENT_ORIGIN.');
  }
}

/**
 * Refuses requests that a foreign page could make a browser send. SameSite is only a second line of defence
 * (draft-ietf-httpbis-rfc6265bis section 8.8). So the origin is checked wherever a request could carry a cookie, and
 * wherever a reply could set one (login CSRF). The only exception is a bearer without cookies.
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
