import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Collector } from './prometheus.ts';

/** The readiness of a gateway with several workers. */
export interface WorkersHealth {
  readonly isReady: boolean;
  /** The number of workers in each state. */
  readonly workers: Readonly<Record<string, number>>;
}

export interface MetricsServerOptions {
  readonly host: string;
  readonly port: number;
  /** Answers `/health/ready`. Undefined in a gateway of one process, which answers it on its own port. */
  readonly health?: (() => WorkersHealth) | undefined;
}

/**
 * Serves `/metrics` on a port of its own, so that a proxy that publishes the gateway does not publish its metrics.
 * @throws {NodeJS.ErrnoException} when the port cannot be opened.
 */
export async function serveMetrics(
  collector: Collector,
  { host, port, health }: MetricsServerOptions,
): Promise<() => Promise<void>> {
  const server = createServer({ keepAliveTimeout: 65_000 }, async ({ method, url }, response) => {
    const path = method === 'GET' ? url?.split('?')[0] : undefined;
    if (path === '/metrics') await answerMetrics(collector, response);
    else if (health && path === '/health/ready') answerHealth(health(), response);
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('Metrics are at GET /metrics.\n');
  });
  await listening(server, host, port);
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

async function answerMetrics(collector: Collector, response: ServerResponse): Promise<void> {
  try {
    const body = await collector.text();
    response.writeHead(200, { 'content-type': collector.contentType, 'cache-control': 'no-store' }).end(body);
  } catch {
    response.writeHead(500, { 'content-type': 'text/plain' }).end('The metrics could not be collected.\n');
  }
}

function answerHealth({ isReady, workers }: WorkersHealth, response: ServerResponse): void {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  response
    .writeHead(isReady ? 200 : 503, headers)
    .end(JSON.stringify({ status: isReady ? 'ready' : 'unavailable', workers }));
}

const listening = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
