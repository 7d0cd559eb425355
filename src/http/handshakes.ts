import type { FastifyInstance } from 'fastify';
import { ErrorCode } from '../platform/errors.ts';
import { endWithError, rawErrorReply, sendError } from './error-replies.ts';
import type { SecurityHeaders } from './security-headers.ts';

/** Answers failed WebSocket handshakes with the errors of other requests. Call it where the plugin is registered. */
export function refuseHandshakes(app: FastifyInstance, path: string, security: SecurityHeaders): void {
  app.websocketServer.on('wsClientError', (_error, socket) => {
    const { headers, body } = rawErrorReply(security, 'This is not a WebSocket handshake.');
    // RFC 6455 section 4.4: the version that this server supports.
    endWithError(socket, 400, { headers: { ...headers, 'sec-websocket-version': '13' }, body });
  });
  // The plugin stops listening for handshakes before the listener closes. Node would leave those sockets open, and the
  // stop would wait for them.
  app.addHook('preClose', async () => {
    app.server.on('upgrade', (_request, socket) => {
      const message = 'The gateway is stopping. Connect again.';
      const { headers, body } = rawErrorReply(security, message, ErrorCode.SERVICE_UNAVAILABLE);
      endWithError(socket, 503, { headers, body });
    });
  });
  // For a route without sockets, the plugin would open a socket, close it at once, and log its URL with the query
  // string.
  app.addHook('onRequest', async (request, reply) => {
    if (!request.ws || request.routeOptions.url === path) return undefined;
    return sendError(reply, 404, { code: ErrorCode.NOT_FOUND, message: 'Not found.' });
  });
}
