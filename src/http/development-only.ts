import type { FastifyReply, FastifyRequest } from 'fastify';
import { ErrorCode } from '../platform/errors.ts';
import { sendError } from './error-replies.ts';

const LOOPBACK_PEER = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const LOOPBACK_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;
const FORWARDING_HEADERS = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
];

/** Whether a request comes from the developer's own machine: not from a network, a proxy or a rebound DNS name. */
export function isLocalRequest(request: FastifyRequest): boolean {
  return (
    LOOPBACK_PEER.test(request.socket.remoteAddress ?? '') &&
    LOOPBACK_HOST.test(request.headers.host ?? '') &&
    FORWARDING_HEADERS.every((name) => request.headers[name] === undefined)
  );
}

export async function developmentOnly(
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  return isLocalRequest(request)
    ? undefined
    : sendError(reply, 404, { code: ErrorCode.NOT_FOUND, message: 'Not found.' });
}
