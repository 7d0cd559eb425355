import type { FastifyInstance } from 'fastify';
import { buildSchema } from '../graphql/index.ts';
import { createServer } from '../http/index.ts';
import { RESOLVERS, type Services } from '../modules.ts';
import { databaseReady } from '../platform/database/index.ts';

/**
 * Concurrent operations for each connection to the database, besides those that may wait for a hash. More operations
 * would only wait for a connection, and so would the reading of revocations. Without that reading, every access token
 * costs a query.
 */
const OPERATIONS_PER_CONNECTION = 5;

/** The server of all schema fields and routes that the modules contribute. */
export async function serverOf(
  { config, surroundings, platform, sessions, passwords, graphql, http }: Services,
  { isDraining, isRetiring }: { isDraining: () => boolean; isRetiring: () => boolean },
): Promise<FastifyInstance> {
  const { contributions, declared } = surroundings;
  const { log, hints, poolSize, fork, audit, redis, rateLimiter, devMailbox, clockOffsetSeconds } = platform;
  const schema = await buildSchema({
    resolvers: RESOLVERS,
    isAuthorized: graphql.isAuthorized,
    instances: contributions.of('resolvers'),
  });
  return createServer({
    ...config.http,
    production: config.production,
    introspection: config.graphql.introspection,
    // An operation that waits for a hash costs nothing meanwhile, and must not keep the others out.
    maxOperations: OPERATIONS_PER_CONNECTION * poolSize + passwords.hashPlaces,
    schema,
    tokenCookies: contributions.of('cookieNames'),
    routes: contributions.of('routes'),
    guardedRoutes: contributions.of('guardedRoutes'),
    devMailbox,
    closesConnections: () => isDraining() || isRetiring(),
    health: {
      isDraining,
      clockOffsetSeconds,
      probes: {
        database: () => databaseReady(fork(), declared.schema.migrations),
        ...(redis && { redis: () => redis.probe() }),
      },
    },
    fork,
    audit,
    contexts: http.contexts,
    dpopProofs: sessions.dpopProofs,
    rateLimiter,
    log,
    hints,
  });
}
