import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { refused } from '../graphql/index.ts';
import { ErrorCode, HTTP_STATUS, InvalidDpopProof } from '../platform/errors.ts';
import { newId } from '../platform/id.ts';
import { asGatehouseError } from '../platform/unavailable.ts';
import type { AllowedMethods } from './allowed-methods.ts';
import type { SecurityHeaders } from './security-headers.ts';

/** The form of every error of every route and layer: that of a GraphQL reply without data. */
const errorBody = (code: string, message: string, requestId: string, extensions = {}): string =>
  JSON.stringify({ errors: [{ message, extensions: { code, ...extensions, requestId } }] });

const JSON_TYPE = 'application/json; charset=utf-8';

/** Milliseconds for the client to read an answer. An immediate close discards the answer when unread data is left. */
const LINGER = 1_000;

/** Makes a reply where no request object exists, and so no hook has run. */
export function rawErrorReply(security: SecurityHeaders, message: string, code: string = 'BAD_REQUEST') {
  const requestId = newId();
  const body = errorBody(code, message, requestId);
  const headers = {
    ...security,
    'content-type': JSON_TYPE,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-request-id': requestId,
    connection: 'close',
  };
  return { headers, body };
}

/** Answers on a connection that Node no longer manages, and ends it, even when the client does not react. */
export function endWithError(
  socket: Duplex,
  status: number,
  { headers, body }: { headers: Readonly<Record<string, string | number>>; body: string },
): void {
  const lines = Object.entries(headers).map((line) => line.join(': '));
  socket.on('error', () => {});
  setTimeout(() => socket.destroy(), LINGER).unref();
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
}

/** The content of an error body, for the client. */
interface ErrorContent {
  readonly code: string;
  readonly message: string;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** Answers a request with an error. */
export function sendError(
  reply: FastifyReply,
  status: number,
  { code, message, extensions = {} }: ErrorContent,
): FastifyReply {
  const { id } = reply.request;
  return reply
    .code(status)
    .headers({ 'cache-control': 'no-store', 'content-type': JSON_TYPE, 'x-request-id': id })
    .send(errorBody(code, message, id, extensions));
}

/** Replaces the error pages of Fastify, which would tell a client too much. */
export function errorReplies(app: FastifyInstance, allowed: AllowedMethods): void {
  app.setNotFoundHandler((request, reply) => {
    const methods = allowed(request.url.split('?')[0] ?? '');
    if (methods.length === 0)
      return sendError(reply, 404, { code: ErrorCode.NOT_FOUND, message: 'Not found.' });
    return sendError(reply.header('allow', methods.join(', ')), 405, {
      code: 'BAD_REQUEST',
      message: `Use ${methods.join(', ')}.`,
    });
  });
  app.setErrorHandler<FastifyError>(replyToError);
}

export function replyToError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const expected = asGatehouseError(error);
  if (expected) {
    refused.add({ code: expected.code });
    request.log.info({ code: expected.code, detail: expected.detail }, 'a request was refused');
    const { code, message, extensions } = expected;
    // The same headers as in a reply of GraphQL (graphql/reply-plugin.ts).
    const { retryAfterSeconds } = extensions;
    if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
    if (expected instanceof InvalidDpopProof) reply.header('www-authenticate', expected.challenge);
    return sendError(reply, HTTP_STATUS[code], { code, message, extensions });
  }
  const status = error.statusCode ?? 500;
  if (status === 413) {
    return sendError(reply, 413, {
      code: ErrorCode.PAYLOAD_TOO_LARGE,
      message: 'The request body is too large.',
    });
  }
  if (status === 415)
    return sendError(reply, 415, {
      code: 'BAD_REQUEST',
      message: 'The gateway does not accept this content type.',
    });
  if (status >= 400 && status < 500)
    return sendError(reply, status, { code: 'BAD_REQUEST', message: 'The request cannot be read.' });
  request.log.error({ err: error }, 'a request failed');
  return sendError(reply, 500, { code: ErrorCode.INTERNAL_SERVER_ERROR, message: 'Internal server error.' });
}

const STATUS_OF_PARSER_ERRORS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Answers data that is not HTTP: Node's parser failed, so there is no request object. */
export const replyToParserError =
  (security: SecurityHeaders) =>
  (error: NodeJS.ErrnoException, socket: Duplex): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const status = STATUS_OF_PARSER_ERRORS[error.code ?? ''] ?? 400;
    endWithError(socket, status, rawErrorReply(security, 'The request cannot be read.'));
  };
