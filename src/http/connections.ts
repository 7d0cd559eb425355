import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { endWithError, rawErrorReply } from './error-replies.ts';
import type { SecurityHeaders } from './security-headers.ts';

/** Milliseconds for a whole request to arrive. Slower senders would only hold a place. */
export const REQUEST_TIMEOUT = 30_000;
/** Milliseconds for the headers of a request, and for the first byte of a connection. */
const HEADERS_TIMEOUT = 10_000;
/** Milliseconds between two checks of those timeouts. Node's default of 30 s would make HEADERS_TIMEOUT 40 s. */
const CHECKING_INTERVAL = 1_000;

/**
 * Requests of one connection. Node reads all pipelined requests of one connection before it turns to the others, so
 * this also bounds how long one connection can occupy the process. The last answer announces the close of the
 * connection. Pipelined requests after it get a bare 503.
 */
export const MAX_REQUESTS_PER_SOCKET = 1_000;

/** Connection options of Node. checkHostHeader refuses requests without `Host`, with a reply in JSON. */
export const CONNECTION_OPTIONS: ServerOptions = {
  headersTimeout: HEADERS_TIMEOUT,
  connectionsCheckingInterval: CHECKING_INTERVAL,
  requireHostHeader: false,
  // RFC 9110 section 7.8: ignore an offer of another protocol (h2c, by Java's HttpClient), and answer the request.
  shouldUpgradeCallback: ({ method, headers }) =>
    method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket',
};

/** Answers the requests that Node would answer without a body, or not at all. */
export function guardConnections({ server }: FastifyInstance, security: SecurityHeaders): void {
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const { headers, body } = rawErrorReply(security, 'This server cannot meet the header Expect.');
    response.writeHead(417, headers).end(body);
  });
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    const { headers, body } = rawErrorReply(security, 'This server is not a proxy.');
    endWithError(socket, 405, { headers: { ...headers, allow: 'GET, POST' }, body });
  });
}
