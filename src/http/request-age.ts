import type { FastifyInstance, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { withinDeadline } from '../platform/database/index.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import { Arrivals } from './arrivals.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** In the time of `performance.now()`: when its headers may have arrived at the earliest. */
    arrivedAt: number;
    /** The same of its last bytes. A client can make `arrivedAt` old by sending slowly, but not this. */
    completeSince: number;
    /**
     * Of a request whose route reads the body itself: call it when the body was read, and before it has an effect.
     * @throws {ServiceUnavailable} when the last bytes lay here for longer than a request may.
     */
    assertFresh(): void;
  }
  interface FastifyContextConfig {
    /** Answered however old it is: it changes nothing, and an answer is worth more than a refusal. */
    anyAge?: boolean;
    /** Its body may take longer than a request may otherwise. It calls `assertFresh`. */
    readsBody?: boolean;
  }
}

/** Seconds: the stall that made the request old is over. */
const RETRY_AFTER = 1;

/**
 * Gives each request `maxAge` milliseconds from its arrival. An older one is refused before it is looked at, and what it does
 * ends with that time (`withinDeadline`). Its client has long gone on elsewhere: a refresh that happened now would look
 * like the theft of a token.
 */
export function limitRequestAge(app: FastifyInstance, maxAge: number): void {
  const arrivals = new Arrivals(app.server);
  app.addHook('onClose', async () => arrivals.stop());
  const refuseLate = (arrivedAt: number): number => {
    const left = arrivedAt + maxAge - performance.now();
    if (left > 0) return left;
    const waited = Math.round((maxAge - left) / 1_000);
    throw new ServiceUnavailable({
      detail: `it may have waited for ${waited} s`,
      retryAfterSeconds: RETRY_AFTER,
    });
  };
  app.decorateRequest('arrivedAt', 0);
  app.decorateRequest('completeSince', 0);
  app.decorateRequest('assertFresh', function assertFresh(this: FastifyRequest) {
    refuseLate(arrivals.since(this.socket));
  });
  app.addHook('onRequest', (request, _reply, done) => {
    request.arrivedAt = arrivals.since(request.socket);
    done();
  });
  // Not async: the deadline holds for what `done` calls.
  app.addHook('preHandler', (request, _reply, done: HookHandlerDoneFunction) => {
    request.completeSince = arrivals.since(request.socket);
    const { anyAge, readsBody } = request.routeOptions.config;
    // A WebSocket lives for longer, and subscriptions have deadlines of their own.
    if (anyAge || request.ws) return done();
    let left: number;
    try {
      left = refuseLate(request.arrivedAt);
    } catch (error) {
      return done(error as Error);
    }
    return readsBody ? done() : withinDeadline(left, done);
  });
}
