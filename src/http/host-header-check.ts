import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from './error-replies.ts';
import { headerCount } from './header-count.ts';

/**
 * Refuses a request whose `Host` is missing, is sent twice or names no host (RFC 9112 section 3.2). When it is sent
 * twice, a proxy may use the other one. Probes of load balancers speak HTTP/1.0, which has no such header.
 *
 * A target in absolute form (`GET http://host/path`) may differ from `Host`, and takes precedence over it (section
 * 3.2.2). That needs no rule here: the service knows its own name from `PUBLIC_URL`. Only pages for developers use
 * `Host`, on loopback.
 */
export async function checkHostHeader(
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const { hostname } = request;
  const hosts = headerCount(request.raw, 'host');
  const isHost = hostname && !/[/?#@\\]/.test(hostname) && URL.canParse(`http://${hostname}/`);
  const isProbe = request.raw.httpVersion === '1.0' && request.url.startsWith('/health/');
  if (hosts <= 1 && (isHost || isProbe)) return undefined;
  return sendError(reply, 400, {
    code: 'BAD_REQUEST',
    message: 'Send one Host header with the name of this service.',
  });
}
