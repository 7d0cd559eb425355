import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type OpenSpan, tracing } from '../platform/telemetry/index.ts';
import { peersIn } from './connection-places.ts';
import { routeName } from './route-name.ts';

/**
 * Gives each request a span, which lasts until the response is sent. Registered before the hook that logs a request, so
 * that the log line carries the trace id.
 * @param trustedProxies whose `traceparent` is accepted (W3C Trace Context). Any other client could join foreign
 * traces.
 */
export function traceRequests(app: FastifyInstance, trustedProxies: readonly string[]): void {
  if (!tracing().isOn) return;
  const isTrusted = peersIn(trustedProxies);
  const spans = new WeakMap<FastifyRequest, OpenSpan>();
  app.addHook('onRequest', (request, _reply, done) => {
    const { traceparent } = request.headers;
    const parent =
      typeof traceparent === 'string' && isTrusted(request.socket.remoteAddress ?? '')
        ? traceparent
        : undefined;
    const span = tracing().open(
      routeName(request),
      {
        'http.request.method': request.method,
        'http.route': request.routeOptions.url ?? '',
        'gatehouse.request_id': request.id,
      },
      parent,
    );
    spans.set(request, span);
    span.enter(done);
  });
  // Enters the span again: after a body was read, the next hook is called from an event of the socket, outside of the
  // span.
  app.addHook('preHandler', (request, _reply, done) => {
    const span = spans.get(request);
    return span ? span.enter(done) : done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const span = spans.get(request);
    if (!span) return done();
    span.set({ 'http.response.status_code': reply.statusCode });
    if (reply.statusCode >= 500) span.fail({ code: reply.statusCode });
    // The log line is written inside the span.
    span.enter(done);
    span.end();
  });
}
