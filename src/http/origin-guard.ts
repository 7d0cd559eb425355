import '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ErrorCode } from '../platform/errors.ts';
import { sendError } from './error-replies.ts';

export interface OriginGuardOptions {
  /** Own origin and those of the frontends. */
  readonly allowedOrigins: readonly string[];
  /** Cookies that carry tokens. */
  readonly tokenCookies: readonly string[];
  /** In development `localhost` and `127.0.0.1` count as one. */
  readonly loopbackIsOne: boolean;
}

export type OriginCheck = (origin: string) => boolean;

/** Exact matches only (RFC 6454): no prefixes, no suffixes, never `null`. */
export function originCheck({
  allowedOrigins,
  loopbackIsOne,
}: Omit<OriginGuardOptions, 'tokenCookies'>): OriginCheck {
  const canonical = (origin: string) =>
    loopbackIsOne ? origin.replace(/^(https?:\/\/)(?:127\.0\.0\.1|\[::1\])(?=:|$)/, '$1localhost') : origin;
  const allowed = new Set(allowedOrigins.map(canonical));
  return (origin) => allowed.has(canonical(origin));
}

/**
 * Refuses what a foreign page could make a browser send. SameSite is only a second line of defence
 * (draft-ietf-httpbis-rfc6265bis section 8.8), so the origin of a request is checked wherever a cookie could speak
 * for its user, and wherever a reply could set one (login CSRF): everywhere but for a bearer without cookies.
 */
export function originGuard(options: OriginGuardOptions) {
  const isAllowed = originCheck(options);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const { origin, authorization } = request.headers;
    const carriesCookie = options.tokenCookies.some((name) => request.cookies[name] !== undefined);
    if (authorization !== undefined && !carriesCookie) return undefined;
    const crossSite = carriesCookie && request.headers['sec-fetch-site'] === 'cross-site';
    const foreign = origin === undefined ? crossSite : !isAllowed(origin);
    if (!foreign) return undefined;
    return sendError(
      reply,
      403,
      ErrorCode.FORBIDDEN,
      'This origin may not call the gateway; see CLIENT_ORIGIN.',
    );
  };
}
