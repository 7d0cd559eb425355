import type { FastifyInstance, FastifyRequest, HookHandlerDoneFunction } from 'fastify';
import { withinDeadline } from '../platform/database/index.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import { Arrivals } from './arrivals.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The earliest time at which its headers may have arrived, in the time of `performance.now()`. */
    arrivedAt: number;
    /**
     * The earliest time at which its last bytes may have arrived. A client that sends slowly makes `arrivedAt` old, but
     * not this time.
     */
    completeSince: number;
    /**
     * Runs work under the deadline that other requests have from their arrival. It is for a route that reads the body
     * itself: its time begins with the arrival of the last bytes.
     * @throws {ServiceUnavailable} when they waited here for longer than a request may.
     */
    withinAge<T>(work: () => T): T;
  }
  interface FastifyContextConfig {
    /** Answers the request at any age: it changes nothing, and an answer is more useful than a refusal. */
    anyAge?: boolean;
    /** The body may take longer than the deadline of a request. The route does its work in `withinAge`. */
    readsBody?: boolean;
  }
}

/** Seconds. The stall that made the request old has ended. */
const RETRY_AFTER = 1;

/**
 * Gives each request `maxAge` milliseconds from its arrival. An older request is refused before any work, and its work
 * ends at the deadline (`withinDeadline`). Its client has long gone on elsewhere: a refresh that took effect now would
 * look like the theft of a token.
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
  // A callback, since the deadline holds for the functions that `done` calls.
  app.addHook('preHandler', (request, _reply, done: HookHandlerDoneFunction) => {
    request.completeSince = arrivals.since(request.socket);
    const { anyAge, readsBody } = request.routeOptions.config;
    // A WebSocket lives longer, and its subscriptions have deadlines of their own.
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
