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
     * For a route that reads the body itself: runs what has an effect, under the deadline that other requests have from their
     * arrival. Here the time begins when the last bytes arrived.
     * @throws {ServiceUnavailable} when they lay here for longer than a request may.
     */
    withinAge<T>(work: () => T): T;
  }
  interface FastifyContextConfig {
    /** Answered however old it is: it changes nothing, and an answer is worth more than a refusal. */
    anyAge?: boolean;
    /** Its body may take longer than a request may otherwise. It does its work in `withinAge`. */
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
  app.decorateRequest('withinAge', function withinAge<T>(this: FastifyRequest, work: () => T): T {
    return withinDeadline(refuseLate(arrivals.since(this.socket)), work);
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
