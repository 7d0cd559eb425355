import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { endWithError, rawErrorReply } from './error-replies.ts';
import type { SecurityHeaders } from './security-headers.ts';

/** Milliseconds for a whole request to arrive: slower senders only hold a place. */
export const REQUEST_TIMEOUT = 30_000;
/** Milliseconds for its headers, and for the first byte of a connection. */
const HEADERS_TIMEOUT = 10_000;
/** Milliseconds between two looks at the former; Node's default of 30 s would triple the first of them. */
const CHECKING_INTERVAL = 1_000;

/**
 * Requests of one connection. Node reads what one connection has sent ahead (pipelining) before it turns to the others,
 * so this also bounds how long one keeps the process to itself. The last answer says that the connection is to be closed; what
 * was sent ahead of it gets a bare 503.
 */
export const MAX_REQUESTS_PER_SOCKET = 1_000;

/** What Node is told about connections. Requests without `Host` are refused by checkHostHeader, as JSON. */
export const CONNECTION_OPTIONS: ServerOptions = {
  headersTimeout: HEADERS_TIMEOUT,
  connectionsCheckingInterval: CHECKING_INTERVAL,
  requireHostHeader: false,
  // RFC 9110 section 7.8: an offer of another protocol (h2c, by Java's HttpClient) is ignored, the request answered.
  shouldUpgradeCallback: ({ method, headers }) =>
    method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket',
};

/** Answers what Node would answer without a body or not at all. */
export function guardConnections({ server }: FastifyInstance, security: SecurityHeaders): void {
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const { headers, body } = rawErrorReply(security, 'This expectation cannot be met.');
    response.writeHead(417, headers).end(body);
  });
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    const { headers, body } = rawErrorReply(security, 'This is no proxy.');
    endWithError(socket, 405, { headers: { ...headers, allow: 'GET, POST' }, body });
  });
}
