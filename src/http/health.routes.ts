import type { FastifyInstance } from 'fastify';
import { withTimeout } from '../platform/with-timeout.ts';

/** Resolves when the part answers. The message of a rejection is for the log; the reply names only the part. */
export type Probe = () => Promise<void>;

/** Milliseconds after which a part without an answer counts as away. */
const PROBE_TIMEOUT = 2_000;

export interface HealthOptions {
  readonly probes: {
    /** The database answers, has all migrations of this build, and accepts writes. */
    readonly database: Probe;
    /** Redis answers and accepts writes. Absent without Redis. */
    readonly redis?: Probe;
  };
  /** True from the first moment of a shutdown, so that no proxy sends more work. */
  readonly isDraining: () => boolean;
  /** Seconds by which the clock of this machine is ahead of the database's clock, which is the reference. */
  readonly clockOffsetSeconds: () => number;
}

/** `/health/live`: the process runs. `/health/ready`: it can serve; 503 names the parts that are away. */
export function healthRoutes({ probes, isDraining, clockOffsetSeconds }: HealthOptions) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/health/live', { config: { anyAge: true } }, async (_request, reply) =>
      reply.header('cache-control', 'no-store').send({ status: 'live' }),
    );

    app.get('/health/ready', { config: { anyAge: true } }, async (request, reply) => {
      reply.header('cache-control', 'no-store');
      if (isDraining()) return reply.code(503).send({ status: 'draining' });
      const results = await Promise.all(
        Object.entries(probes).map(async ([part, probe]) => {
          try {
            await withTimeout(PROBE_TIMEOUT, probe());
            return [part, 'up'] as const;
          } catch (error) {
            request.log.warn({ part, err: error }, 'a part is away');
            return [part, 'away'] as const;
          }
        }),
      );
      const ready = results.every(([, state]) => state === 'up');
      return reply.code(ready ? 200 : 503).send({
        status: ready ? 'ready' : 'unavailable',
        parts: Object.fromEntries(results),
        clockOffsetSeconds: clockOffsetSeconds(),
      });
    });
  };
}
