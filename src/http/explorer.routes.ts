import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { developmentOnly } from './development-only.ts';

/** Policy for an explorer in one file: the scripts and styles of the page itself, and requests to this host. */
export const EXPLORER_POLICY =
  "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'";

/** Matches Accept-Encoding with gzip, unless its weight is 0, which refuses it (RFC 9110, section 12.5.3). */
const TAKES_GZIP = /(^|,)\s*gzip\s*(;\s*q=(1(\.0*)?|0\.\d*[1-9]\d*)\s*)?(,|$)/i;

interface Explorer {
  readonly html: string;
  /** 2.4 MB instead of 9 MB. */
  readonly gzipped: Buffer;
  readonly etag: string;
}

/**
 * `/graphiql`: GraphiQL in one page from our own dependencies, so that it works without internet. Development only. The
 * first request compresses the page for all later ones. Browsers cache it, and revalidate it each time.
 */
export async function explorerRoutes(app: FastifyInstance): Promise<void> {
  let explorer: Promise<Explorer> | undefined;
  app.get(
    '/graphiql',
    { onRequest: developmentOnly, config: { anyRequestId: true } },
    async (request, reply): Promise<FastifyReply> => {
      explorer ??= makeExplorer();
      const { html, gzipped, etag } = await explorer;
      reply
        .header('content-security-policy', EXPLORER_POLICY)
        .header('cache-control', 'no-cache')
        .header('etag', etag)
        .header('vary', 'accept-encoding')
        .type('text/html; charset=utf-8');
      if (request.headers['if-none-match']?.includes(etag)) return reply.code(304).send();
      if (!TAKES_GZIP.test(request.headers['accept-encoding'] ?? '')) return reply.send(html);
      return reply.header('content-encoding', 'gzip').send(gzipped);
    },
  );
}

async function makeExplorer(): Promise<Explorer> {
  // A development dependency: production neither installs nor loads it.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = renderGraphiQL({
    title: 'Gatehouse',
    endpoint: '/graphql',
    credentials: 'same-origin',
    defaultQuery: '{\n  me {\n    id\n    username\n    roles { name }\n  }\n}\n',
  });
  return {
    html,
    gzipped: await promisify(gzip)(html),
    // Weak, because both encodings share it (RFC 9110, section 8.8.1).
    etag: `W/"${createHash('sha256').update(html).digest('base64url')}"`,
  };
}
