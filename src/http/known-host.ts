import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from './error-replies.ts';

/**
 * Refuses a request whose `Host` is missing (RFC 9112 section 3.2) or names no host. Probes of load balancers speak
 * HTTP/1.0, which has no such header.
 */
export async function knownHost(
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const { hostname } = request;
  const isHost = hostname && !/[/?#@\\]/.test(hostname) && URL.canParse(`http://${hostname}/`);
  if (isHost || (request.raw.httpVersion === '1.0' && request.url.startsWith('/health/'))) return undefined;
  return sendError(reply, 400, 'BAD_REQUEST', 'The header Host is missing or malformed.');
}
