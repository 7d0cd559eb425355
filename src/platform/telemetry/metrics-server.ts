import { createServer, type Server } from 'node:http';
import type { Collector } from './prometheus.ts';

/**
 * Serves `/metrics` on a port of its own, so that a proxy that publishes the gateway does not publish its metrics.
 * @throws {NodeJS.ErrnoException} when the port cannot be opened.
 */
export async function serveMetrics(
  { text, contentType }: Pick<Collector, 'text' | 'contentType'>,
  { host, port }: { host: string; port: number },
): Promise<() => Promise<void>> {
  const server = createServer({ keepAliveTimeout: 65_000 }, async (request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('Metrics are at GET /metrics.\n');
      return;
    }
    try {
      const body = await text();
      response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body);
    } catch {
      response.writeHead(500, { 'content-type': 'text/plain' }).end('The metrics could not be collected.\n');
    }
  });
  await listening(server, host, port);
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

const listening = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
