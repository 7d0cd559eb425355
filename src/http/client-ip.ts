import type { FastifyRequest } from 'fastify';
import { bareAddress } from '../platform/request/index.ts';

/**
 * The option `trustProxy` of Fastify. X-Forwarded-For counts only from the proxies that TRUSTED_PROXIES names. Then the
 * client is the last IP in it that is not such a proxy. Without trusted proxies, the client is the peer of the socket.
 * No other header counts.
 */
export const trustProxyOf = (trustedProxies: readonly string[]): string[] | false =>
  trustedProxies.length > 0 ? [...trustedProxies] : false;

/** The IP of the client, behind trusted proxies. Falls back to the peer when a proxy wrote text that is not an IP. */
export const clientIpOf = (request: FastifyRequest): string | null =>
  bareAddress(request.ip) ?? bareAddress(request.socket.remoteAddress ?? '');
