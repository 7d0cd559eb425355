import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from './error-replies.ts';

/**
 * Refuses requests that name one credential twice: which one counts would depend on who reads them
 * (ASVS 5.0 item 15.3.7). Node drops the second Authorization header silently, so the raw headers are counted.
 */
export function oneCredential(tokenCookies: readonly string[]) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const names = request.raw.rawHeaders.filter((_, index) => index % 2 === 0);
    const authorizations = names.filter((name) => name.toLowerCase() === 'authorization').length;
    const cookies = (request.headers.cookie ?? '').split(';').map((pair) => pair.split('=')[0]?.trim());
    const repeated = tokenCookies.some((name) => cookies.filter((cookie) => cookie === name).length > 1);
    if (authorizations <= 1 && !repeated) return undefined;
    return sendError(reply, 400, 'BAD_REQUEST', 'A credential was sent twice.');
  };
}
