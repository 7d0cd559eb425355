import { TcpProxy } from '../tests/support/tcp-proxy.ts';
import type { Fault } from './support/fault.ts';
import { STORES } from './support/installed.ts';
import { pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';
import type { World } from './support/world.ts';

/** Seconds. */
const PARTITION = 20;
const HEALS_WITHIN = 5;
/** Only the deadline of a request (REQUEST_MAX_AGE_SECONDS) detects a silent connection. */
const SILENT_FOR = 10;

/** The networks between the gateways and their parts, in the running fault. */
let lines: TcpProxy[] = [];

/** The same URL through a line that can be cut. */
async function through(url: string, world: World): Promise<string> {
  const address = new URL(url);
  const line = await TcpProxy.to(address.hostname, Number(address.port));
  lines.push(line);
  world.closing.push(() => line.close());
  address.hostname = '127.0.0.1';
  address.port = String(line.port);
  return address.href;
}

function fault(name: string, what: string, healsWithin: number, away: () => Promise<void>): Fault {
  return underTraffic({
    name: `network-${name}`,
    what: `network to the database and to Redis ${what}`,
    stores: STORES,
    bounds: { healsWithin },
    world: {
      async settings(world, index) {
        if (index === 0) lines = [];
        const { postgres, redisUrl } = world;
        return {
          DATABASE_URL: await through(postgres.url('gatehouse_app'), world),
          DATABASE_MIGRATION_URL: await through(postgres.url('gatehouse_owner'), world),
          ...(redisUrl !== undefined && { REDIS_URL: await through(redisUrl, world) }),
        };
      },
    },
    async inject({ tally }) {
      await away();
      tally.partIsBack();
    },
  });
}

export const network: readonly Fault[] = [
  fault('cut', 'cut', HEALS_WITHIN, async () => {
    for (const line of lines) line.cut();
  }),
  // A firewall that forgot its connections: data on them is lost, and only a deadline detects that.
  fault('half-open', 'half open', SILENT_FOR, async () => {
    for (const line of lines) line.freeze({ all: false });
  }),
  fault('partition', `away for ${PARTITION} s`, HEALS_WITHIN, async () => {
    for (const line of lines) line.freeze({ all: true });
    await pause(PARTITION * 1000);
    for (const line of lines) line.thaw();
  }),
];
