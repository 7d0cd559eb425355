import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from './error-replies.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The callers of this route send no X-Request-Id, such as a browser that follows a link, or an app of another vendor. */
    anyRequestId?: boolean;
  }
}

/**
 * Headers that may carry the id of a request, in this order. Balancers and tracing libraries send the others: W3C Trace
 * Context (`00-TRACE-SPAN-01`), AWS (`Root=1-TIME-ID;Parent=ID;Sampled=1`) and Google Cloud (`TRACE/SPAN;o=1`).
 */
const SOURCES = ['x-request-id', 'traceparent', 'x-amzn-trace-id', 'x-cloud-trace-context'] as const;

/** No space, comma or quote: neither two headers that Node joined nor text that breaks a log line is an id. */
const WELL_FORMED = /^[A-Za-z0-9._:/;=+|-]{8,128}$/;

/**
 * The field of X-Amzn-Trace-Id that all parts of AWS keep. Each part adds its own fields, until the whole is too long
 * for an id.
 */
const AWS_ROOT = /(?:^|;) ?(Root=1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|$)/;

/** The form in words, for errors and documentation. */
const FORM = '8 to 128 letters, digits and . _ : / ; = + | -';

function presented(headers: FastifyRequest['raw']['headers']): string | undefined {
  for (const source of SOURCES) {
    const value = headers[source];
    if (typeof value !== 'string') continue;
    if (WELL_FORMED.test(value)) return value;
    const root = source === 'x-amzn-trace-id' ? AWS_ROOT.exec(value)?.[1] : undefined;
    if (root !== undefined) return root;
  }
  return undefined;
}

/** Returns the client's id when it is well-formed, so that one id follows a request through several systems. */
export const requestIdOf = (raw: FastifyRequest['raw']): string => presented(raw.headers) ?? randomUUID();

/** Sends the id back. With `required`, refuses requests without an id. */
export function requestIdHook({ required }: { required: boolean }) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    reply.header('x-request-id', request.id);
    if (!required || presented(request.headers) !== undefined || isExempt(request)) return undefined;
    return sendError(reply, 400, {
      code: 'BAD_REQUEST',
      message: `The header X-Request-Id is missing or malformed. Send ${FORM}`,
    });
  };
}

/**
 * Whether the caller cannot choose its headers: probes, readers of public documents, and browsers for a WebSocket or a
 * preflight (Fetch standard, section 4.8).
 */
const isExempt = ({ url, method, headers, routeOptions }: FastifyRequest): boolean =>
  url.startsWith('/health/') ||
  url.startsWith('/.well-known/') ||
  (method === 'OPTIONS' && headers['access-control-request-method'] !== undefined) ||
  headers.upgrade?.toLowerCase() === 'websocket' ||
  routeOptions.config?.anyRequestId === true;
