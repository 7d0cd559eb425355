import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from './error-replies.ts';
import { headerCount } from './header-count.ts';

/**
 * Refuses requests that name one credential twice: which one counts would depend on who reads them
 * (ASVS 5.0 item 15.3.7). Cookies are counted by the parser that reads them. Counted in any other way, a look-alike that no
 * parser takes for the cookie would lock its browser out.
 */
export function oneCredential(tokenCookies: readonly string[]) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const authorizations = headerCount(request.raw, 'authorization');
    if (authorizations <= 1 && !repeatsCookie(request, tokenCookies)) return undefined;
    return sendError(reply, 400, 'BAD_REQUEST', 'A credential was sent twice.');
  };
}

/** Whether the Cookie header names one of the cookies more than once. */
function repeatsCookie({ headers, server }: FastifyRequest, names: readonly string[]): boolean {
  const { cookie } = headers;
  // Almost every header ends here, without being parsed again.
  if (cookie === undefined || !names.some((name) => cookie.indexOf(name) !== cookie.lastIndexOf(name))) {
    return false;
  }
  // The parser drops repetitions. It never reads across a semicolon (RFC 6265 section 5.4), so pair by pair it reads the
  // same cookies and shows all of them.
  const found = cookie.split(';').flatMap((pair) => Object.keys(server.parseCookie(pair)));
  return names.some((name) => found.indexOf(name) !== found.lastIndexOf(name));
}
