import type { FastifyInstance, FastifyReply } from 'fastify';
import { developmentOnly } from './development-only.ts';

/** Scripts and styles of the page itself, requests to this host: what an explorer in one file needs. */
export const EXPLORER_POLICY =
  "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'";

/** `/graphiql`: GraphiQL in one page from our own dependencies, so that it works without internet. Development only. */
export async function explorerRoutes(app: FastifyInstance): Promise<void> {
  let page: string | undefined;
  app.get(
    '/graphiql',
    { onRequest: developmentOnly, config: { anyRequestId: true } },
    async (_request, reply): Promise<FastifyReply> => {
      page ??= await renderExplorer();
      return reply
        .header('content-security-policy', EXPLORER_POLICY)
        .type('text/html; charset=utf-8')
        .send(page);
    },
  );
}

async function renderExplorer(): Promise<string> {
  // A development dependency: production neither installs nor loads it.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  return renderGraphiQL({
    title: 'Gatehouse',
    endpoint: '/graphql',
    credentials: 'same-origin',
    defaultQuery: '{\n  me {\n    id\n    username\n    roles { name }\n  }\n}\n',
  });
}
