import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Database } from './support/database.ts';
import { queries, register, signIn } from './support/load.ts';
import { GATEWAY, GATEWAY_PORT, type Rate, Server } from './support/process.ts';

const ME = '{ me { id username email } }';
const METRICS_PORT = 4903;
/** Milliseconds between two scrapes; Prometheus asks every 15 to 60 s. */
const SCRAPE_EVERY = 1_000;

/** Takes spans and forgets them, on the core of the load. */
async function startReceiver() {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

export interface Observed {
  readonly what: string;
  /** The largest share of the requests per second that observation may cost. */
  readonly target: number;
  readonly observed: () => Promise<Rate>;
  readonly plain: () => Promise<Rate>;
}

/**
 * Measures what it costs a `me` to trace every request and to scrape metrics each second. The same load goes in turns
 * to a gateway with both and to one without, on one core.
 */
export async function benchObserve(
  database: Database,
  seconds: number,
  compare: (row: Observed) => Promise<void>,
): Promise<void> {
  const receiver = await startReceiver();
  // Both must accept the same tokens.
  const environment = { ...database.environment, PUBLIC_URL: `http://localhost:${GATEWAY_PORT}` };
  const plain = await Server.start(GATEWAY, GATEWAY_PORT, environment);
  try {
    const username = 'observe';
    await register(plain, username);
    const accounts = await signIn(plain, [username]);
    await queries(plain, ME, accounts, { times: 15_000 });
    for (const [what, target, settings] of [
      ['me, every request traced', 0.85, { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }],
      ['me, with metrics', 0.98, { METRICS_PORT: String(METRICS_PORT) }],
    ] as const) {
      const gateway = await Server.start(GATEWAY, GATEWAY_PORT + 3, { ...environment, ...settings });
      const scrape = setInterval(() => {
        if ('METRICS_PORT' in settings)
          void fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`).then((reply) => reply.text());
      }, SCRAPE_EVERY);
      try {
        await queries(gateway, ME, accounts, { times: 15_000 });
        await compare({
          what,
          target,
          observed: () => queries(gateway, ME, accounts, { seconds }),
          plain: () => queries(plain, ME, accounts, { seconds }),
        });
      } finally {
        clearInterval(scrape);
        await gateway.stop();
      }
    }
  } finally {
    await plain.stop();
    receiver.server.close();
  }
}
