import { ApolloServer } from '@apollo/server';
import fastifyApollo from '@as-integrations/fastify';
import Fastify from 'fastify';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import pg from 'pg';

/** The lower bound of such a query: Apollo on Fastify, one jose verification and one read by pg. */
const keys = createRemoteJWKSet(new URL(process.env.JWKS_URL ?? ''));
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 });

interface Context {
  authorization: string;
}

const apollo = new ApolloServer<Context>({
  typeDefs: 'type User { id: ID! username: String! email: String } type Query { me: User }',
  resolvers: {
    Query: {
      async me(_: unknown, __: unknown, { authorization }: Context) {
        const { payload } = await jwtVerify(authorization.slice('Bearer '.length), keys);
        const { rows } = await pool.query('select id, username, email from users where id = $1', [
          payload.sub,
        ]);
        return rows[0];
      },
    },
  },
  stopOnTerminationSignals: false,
});
await apollo.start();
const app = Fastify();
await app.register(fastifyApollo(apollo), {
  context: async ({ headers }) => ({ authorization: headers.authorization ?? '' }),
});
process.on('SIGTERM', () => process.exit(0));
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
