import { Connection } from '../bench/support/connection.ts';
import { Balancer, type BalancerName } from './support/balancer.ts';
import type { Fault, Round } from './support/fault.ts';
import { missing } from './support/installed.ts';
import { pause } from './support/random.ts';
import type { Tally } from './support/tally.ts';
import { World } from './support/world.ts';

const RESTARTS = { short: 2, long: 10 };
const CLIENTS = 16;
/** Milliseconds between two requests of a client; together 100 requests a second. */
const EVERY = 160;
/** Seconds. */
const SHUTDOWN_DELAY = 2;
const ME = JSON.stringify({ query: '{ me { id } }' });

function fault(name: string, what: string, through: BalancerName | undefined): Fault {
  return {
    name: `rolling-restart-${name}`,
    what: `rolling restart, ${what}`,
    stores: ['postgres'],
    bounds: {},
    missing: () => (through === undefined ? undefined : missing(through)),
    run: (round) => roll(round, through),
  };
}

async function roll({ scale }: Round, through: BalancerName | undefined): Promise<Tally> {
  const world = await World.start({
    store: 'postgres',
    settings: () => ({ SHUTDOWN_DELAY_SECONDS: String(SHUTDOWN_DELAY) }),
  });
  const { gateways, tally } = world;
  try {
    await world.invite(1);
    const bearer = world.people[0]?.accessToken;
    const ports = gateways.map(({ port }) => port);
    const balancer = through === undefined ? undefined : await Balancer.start(through, ports);
    if (balancer) world.closing.push(() => balancer.close());
    const urls = (balancer ? [balancer] : gateways).map(({ url }) => `${url}/graphql`);
    let isOver = false;
    Object.assign(tally, { requests: 0, acknowledged: 0 });
    const clients = Array.from({ length: CLIENTS }, async (_, index) => {
      const client = new KeepAliveClient(urls, index, tally);
      await pause((index * EVERY) / CLIENTS);
      for (; !isOver; await pause(EVERY)) await client.send(ME, bearer);
      client.close();
    });
    await pause(1_000);
    for (let restarts = scale.isShort ? RESTARTS.short : RESTARTS.long; restarts > 0; restarts--) {
      for (const gateway of gateways) {
        await gateway.stop();
        await gateway.start();
        // Long enough for a proxy that checks every 250 ms, on a busy machine.
        await pause(2_000);
      }
    }
    isOver = true;
    await Promise.all(clients);
    return tally;
  } finally {
    await world.close();
  }
}

/** Sends over one connection for as long as it lasts, and opens the next one at any gateway that listens. */
class KeepAliveClient {
  #connection: Connection | undefined;

  constructor(
    private readonly urls: readonly string[],
    private turn: number,
    private readonly tally: Tally,
  ) {}

  async send(body: string, bearer: string | undefined): Promise<void> {
    const startedAt = performance.now();
    this.tally.requests += 1;
    const wasOpen = this.#connection?.isOpen ?? false;
    try {
      const connection = wasOpen && this.#connection ? this.#connection : await this.#open();
      const { status, body: answer } = await connection.ask(body, bearer);
      if (status === 200 && !answer.includes('"errors":')) this.tally.acknowledged += 1;
      else this.tally.isWrong(`failed: ${status} ${answer.slice(0, 80).replaceAll('\n', ' ')}`);
    } catch (error) {
      this.tally.unanswered += 1;
      const how = wasOpen ? 'on a connection that was open' : 'on a new connection';
      this.tally.isWrong(`failed: ${error instanceof Error ? error.message : error} ${how}`);
    }
    this.tally.settled(startedAt);
  }

  close(): void {
    this.#connection?.close();
  }

  /** Opens a connection. When one is refused, nothing was sent yet, so the next gateway is as good. */
  async #open(): Promise<Connection> {
    for (let attempt = 0; ; attempt++) {
      try {
        const url = this.urls[this.turn++ % this.urls.length] as string;
        this.#connection = await Connection.open(url);
        return this.#connection;
      } catch (error) {
        if (attempt === 2 * this.urls.length) throw error;
        await pause(10);
      }
    }
  }
}

export const rollingRestart: readonly Fault[] = [
  fault('nginx', 'behind nginx', 'nginx'),
  fault('haproxy', 'behind HAProxy', 'haproxy'),
  fault('direct', 'keep-alive clients without a proxy', undefined),
];
