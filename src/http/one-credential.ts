import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from './error-replies.ts';
import { headerCount } from './header-count.ts';

/**
 * Refuses requests that send one credential twice: different readers could choose different ones (ASVS 5.0 item
 * 15.3.7).
 * Cookies are counted by the parser that reads them. Otherwise a look-alike, which the parser does not take for the
 * cookie, would lock its browser out.
 */
export function oneCredential(tokenCookies: readonly string[]) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const authorizations = headerCount(request.raw, 'authorization');
    if (authorizations <= 1 && !repeatsCookie(request, tokenCookies)) return undefined;
    return sendError(reply, 400, { code: 'BAD_REQUEST', message: 'A credential was sent twice.' });
  };
}

/** Whether the Cookie header names one of the cookies more than once. */
function repeatsCookie({ headers, server }: FastifyRequest, names: readonly string[]): boolean {
  const { cookie } = headers;
  // A fast check that almost every header passes, without being parsed again.
  if (cookie === undefined || !names.some((name) => cookie.indexOf(name) !== cookie.lastIndexOf(name))) {
    return false;
  }
  // The parser drops repetitions. It never reads across a semicolon (RFC 6265 section 5.4), so parsing pair by pair
  // finds the same cookies with all repetitions.
  const found = cookie.split(';').flatMap((pair) => Object.keys(server.parseCookie(pair)));
  return names.some((name) => found.indexOf(name) !== found.lastIndexOf(name));
}
