import type { Database } from './support/database.ts';
import { type Extent, logins, queries, refreshes, register, signIn } from './support/load.ts';
import { GATEWAY, GATEWAY_PORT, LOAD_CORE, type Rate, SERVER_CORE, Server } from './support/process.ts';
import { median } from './support/table.ts';

const ME = '{ me { id username email } }';
const USERNAMES = Array.from({ length: 16 }, (_, index) => `worker${index}`);
/** Requests for each process, by which V8 has finished compiling. */
const WARM_UP = 15_000;
/**
 * Concurrent requests. Each worker gets half of them. It must have enough waiting that a turn of its event loop handles
 * several, as that of one process does.
 */
const AT_A_TIME = 64;
/** Milliseconds until the second worker listens; the first answer comes from the first one. */
const SECOND_WORKER = 8_000;

const ONE_CORE = [SERVER_CORE];
const BOTH_CORES = [SERVER_CORE, LOAD_CORE];

export interface Carried {
  readonly what: string;
  /** Requests per second of two workers, and of one process. */
  readonly two: number;
  readonly one: number;
  /** Of `two` to `one`, at least; 0 for none. */
  readonly target: number;
}

/**
 * Compares two workers on both cores with one process: on one core, as in the other parts, and on both. On both it uses more
 * than one: signatures and garbage collection run in other threads.
 *
 * The load and PostgreSQL run on the same cores, so the clock would measure them too. `me` and `refresh` are counted by processor
 * time instead: what the server would carry if it had its cores for itself. Logins are counted by the clock, since
 * hashes leave the load little to do.
 */
export async function benchWorkers(
  database: Database,
  seconds: number,
  rounds: number,
): Promise<readonly Carried[]> {
  const start = (cores: readonly number[], workers: number) =>
    Server.start(GATEWAY, GATEWAY_PORT + 3 + cores.length + workers, {
      ...database.environment,
      // All must accept the same tokens.
      PUBLIC_URL: `http://localhost:${GATEWAY_PORT}`,
      CORES: cores.join(','),
      WORKERS: String(workers),
    });
  const servers = {
    pinned: { server: await start(ONE_CORE, 1), cores: ONE_CORE.length, workers: 1 },
    free: { server: await start(BOTH_CORES, 1), cores: BOTH_CORES.length, workers: 1 },
    two: { server: await start(BOTH_CORES, 2), cores: BOTH_CORES.length, workers: 2 },
  };
  const { free, two } = servers;
  try {
    await new Promise((resolve) => setTimeout(resolve, SECOND_WORKER));
    for (const username of USERNAMES) await register(free.server, username);
    const names = Array.from({ length: AT_A_TIME }, (_, index) => USERNAMES[index % USERNAMES.length] ?? '');
    const accounts = await signIn(two.server, names);
    const loads = {
      me: (server: Server, extent: Extent) =>
        queries(server, ME, accounts, { ...extent, atATime: AT_A_TIME }),
      'refresh, PostgreSQL, RS256': (server: Server, extent: Extent) =>
        refreshes(server, accounts, { ...extent, atATime: AT_A_TIME }),
    };
    const rows: Carried[] = [];
    for (const [what, load] of Object.entries(loads)) {
      for (const { server, workers } of Object.values(servers))
        await load(server, { times: workers * WARM_UP });
      const measured = { pinned: [] as number[], free: [] as number[], two: [] as number[] };
      for (let round = 0; round < rounds; round++) {
        for (const name of ['pinned', 'free', 'two'] as const)
          measured[name].push(await carried(servers[name], (server) => load(server, { seconds })));
      }
      const both = median(measured.two);
      rows.push(
        {
          what: `${what}: two workers, one on one core`,
          two: both,
          one: median(measured.pinned),
          target: 1.7,
        },
        { what: `${what}: two workers, one on both`, two: both, one: median(measured.free), target: 0 },
      );
    }
    const [ones, twos]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      ones.push((await logins(free.server, USERNAMES, { seconds: 2 * seconds })).perSecond);
      twos.push((await logins(two.server, USERNAMES, { seconds: 2 * seconds })).perSecond);
    }
    rows.push({
      what: 'login, bcrypt: two workers, one on both',
      two: median(twos),
      one: median(ones),
      target: 1,
    });
    return rows;
  } finally {
    for (const { server } of Object.values(servers)) await server.stop();
  }
}

/**
 * @returns the requests per second that the server carries by its processor time: as many as its cores, and as the
 * busiest of its main threads.
 */
async function carried(
  { server, cores }: { server: Server; cores: number },
  load: (server: Server) => Promise<Rate>,
): Promise<number> {
  const before = await server.mainThreadSeconds();
  const startedAt = performance.now();
  const { perSecond, microseconds } = await load(server);
  const count = (perSecond * (performance.now() - startedAt)) / 1_000;
  const busy = (await server.mainThreadSeconds()).map((seconds, index) => seconds - (before[index] ?? 0));
  return Math.min(count / Math.max(...busy), (cores * 1e6) / microseconds);
}
