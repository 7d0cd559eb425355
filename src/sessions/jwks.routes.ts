import type { FastifyInstance } from 'fastify';
import { KEY_SET_MAX_AGE, type SigningKeys } from './signing-keys.ts';

/** Serves the public key set (RFC 7517) from memory, so it is available while every other part is away. */
export function jwksRoutes(keys: SigningKeys) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get('/.well-known/jwks.json', { config: { anyAge: true } }, async (_request, reply) => {
      reply
        .header('cache-control', `public, max-age=${KEY_SET_MAX_AGE}`)
        .header('access-control-allow-origin', '*');
      return reply.type('application/jwk-set+json').send(JSON.stringify(keys.jwks()));
    });
  };
}
