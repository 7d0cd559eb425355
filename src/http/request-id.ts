import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from './error-replies.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whoever calls it sends no X-Request-Id: a browser that follows a link, the Blockpass app. */
    anyRequestId?: boolean;
  }
}

/** What may stand in a log line and in a header without harm. */
const WELL_FORMED = /^[A-Za-z0-9._:-]{8,128}$/;

const presented = (headers: FastifyRequest['raw']['headers']): string | undefined => {
  const value = headers['x-request-id'];
  return typeof value === 'string' && WELL_FORMED.test(value) ? value : undefined;
};

/** The client's id when it is well-formed, so that one id follows a request through several systems. */
export const requestIdOf = (raw: FastifyRequest['raw']): string => presented(raw.headers) ?? randomUUID();

/** Sends the id back; with `required`, refuses requests that brought none. */
export function requestIdHook({ required }: { required: boolean }) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    reply.header('x-request-id', request.id);
    if (!required || presented(request.headers) !== undefined || isExempt(request)) return undefined;
    return sendError(reply, 400, 'BAD_REQUEST', 'The header X-Request-Id is missing or malformed.');
  };
}

/** Browsers give a page no say in the headers of a WebSocket. */
const isExempt = ({ url, headers, routeOptions }: FastifyRequest): boolean =>
  url.startsWith('/health/') ||
  headers.upgrade?.toLowerCase() === 'websocket' ||
  routeOptions.config?.anyRequestId === true;
