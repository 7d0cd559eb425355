import { benchGrowth } from './growth.ts';
import { benchObserve } from './observe.ts';
import { commitsPerSecond, type Database, startDatabase } from './support/database.ts';
import { type Account, latencies, logins, queries, refreshes, register, signIn } from './support/load.ts';
import {
  GATEWAY,
  GATEWAY_PORT,
  LOAD_CORE,
  measureOnServerCore,
  moveTo,
  type Rate,
  Server,
} from './support/process.ts';
import { startRedis } from './support/redis.ts';
import { median, percent, printTable } from './support/table.ts';
import { benchWorkers } from './workers.ts';

/**
 * `npm run bench`: ratios to floors that are measured in the same run.
 * `npm run bench -- refresh login` runs only these parts.
 */
const SECONDS = Number(process.env.BENCH_SECONDS ?? 5);
const ROUNDS = 3;
/** By then, V8 has finished compiling. The first ten thousand refreshes cost twice as much. */
const WARM_UP = { times: 15_000 };
const FLOOR_PORT = 4902;
const ME = '{ me { id username email } }';
const ME_WITH_ROLES = '{ me { id username email roles { name } } }';
const USERNAMES = Array.from({ length: 16 }, (_, index) => `bench${index}`);

interface Row {
  what: string;
  gateway: number;
  floor: number;
  /** Target of the ratio: a minimum, or a maximum when it is negative; 0 for none. */
  target: number;
  unit: string;
  /** Microseconds of processor time for one request. Other work on the machine affects them less than rates. */
  processor?: { gateway: number; floor: number };
}
const rows: Row[] = [];

const quantile = (sorted: number[], q: number): number =>
  sorted[Math.floor((sorted.length - 1) * q)] ?? Number.NaN;

/** Measures in turns, so that noise of the machine affects both. */
async function inTurns<One, Other>(
  one: () => Promise<One>,
  other: () => Promise<Other>,
): Promise<[One[], Other[]]> {
  const [ones, others]: [One[], Other[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    ones.push(await one());
    others.push(await other());
  }
  return [ones, others];
}

/** Adds a row of rates. */
async function compare(
  what: string,
  target: number,
  load: () => Promise<Rate>,
  floor: () => Promise<Rate>,
): Promise<void> {
  const [ours, floors] = await inTurns(load, floor);
  const of = (rates: Rate[], name: keyof Rate) => median(rates.map((rate) => rate[name]));
  rows.push({
    what,
    gateway: of(ours, 'perSecond'),
    floor: of(floors, 'perSecond'),
    target,
    unit: '/s',
    processor: { gateway: of(ours, 'microseconds'), floor: of(floors, 'microseconds') },
  });
}

async function benchQueries(database: Database): Promise<void> {
  await withGateway(database, {}, async (gateway, accounts) => {
    const floor = await Server.start(['bench/floors/bare-server.ts'], FLOOR_PORT, {
      DATABASE_URL: database.servingUrl,
      JWKS_URL: new URL('/.well-known/jwks.json', gateway.url).href,
    });
    try {
      for (const server of [gateway, floor]) await queries(server, ME, accounts, { times: 10_000 });
      const memory = { gateway: await gateway.memory(), floor: await floor.memory() };
      await queries(gateway, ME_WITH_ROLES, accounts, WARM_UP);
      await queries(floor, ME, accounts, WARM_UP);
      const bare = () => queries(floor, ME, accounts, { seconds: SECONDS });
      for (const [query, target] of [
        [ME, 0.7],
        [ME_WITH_ROLES, 0.5],
      ] as const) {
        await compare(query, target, () => queries(gateway, query, accounts, { seconds: SECONDS }), bare);
      }
      rows.push({ what: 'resident memory after 10,000 requests', ...memory, target: -2, unit: 'MB' });
      rows.push({
        what: 'cold start to first answer',
        gateway: gateway.firstAnswerAfter,
        floor: floor.firstAnswerAfter,
        target: 0,
        unit: 'ms',
      });
    } finally {
      await floor.stop();
    }
  });
}

/** Measures refreshes. RS256 is the default; the floor always signs with it. */
async function benchRefresh(
  database: Database,
  store: 'PostgreSQL' | 'Redis',
  algorithm: 'RS256' | 'ES256' = 'RS256',
): Promise<void> {
  const redis = store === 'Redis' ? await startRedis() : null;
  if (store === 'Redis' && !redis) {
    process.stderr.write('no redis-server on this machine: no row for the refresh on Redis\n');
    return;
  }
  const floor = async () => {
    const { perSecond, microseconds } = await measureOnServerCore(['bench/floors/signatures.ts']);
    // A commit runs on the other core, in the database, so it costs the server nothing.
    return { perSecond: Math.min(perSecond, await commitsPerSecond(database, SECONDS)), microseconds };
  };
  try {
    // An existing key would stay in use, whatever its algorithm.
    await database.query('delete from signing_key');
    await withGateway(
      database,
      { JWT_ALG: algorithm, ...(redis && { SESSION_STORE: 'redis', REDIS_URL: redis.url }) },
      async (gateway, accounts) => {
        await refreshes(gateway, accounts, WARM_UP);
        const load = () => refreshes(gateway, accounts, { seconds: SECONDS });
        await compare(`refresh, ${store}, ${algorithm}`, redis ? 0.8 : 0.6, load, floor);
      },
    );
  } finally {
    await redis?.close();
  }
}

async function benchLogin(database: Database, scheme: string): Promise<void> {
  await withGateway(database, { PASSWORD_HASH: scheme }, async (gateway) => {
    await logins(gateway, USERNAMES, { times: 48 });
    await compare(
      `login, ${scheme}`,
      0.95,
      () => logins(gateway, USERNAMES, { seconds: 2 * SECONDS }),
      () => measureOnServerCore(['bench/floors/hashes.ts'], { SCHEME: scheme }),
    );
  });
}

async function benchLatency(database: Database): Promise<void> {
  await withGateway(database, {}, async (gateway, accounts) => {
    const [account] = accounts as [Account];
    await queries(gateway, ME, accounts, WARM_UP);
    const pause = new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    const quiet = await latencies(gateway, ME, account, pause);
    const load = logins(gateway, USERNAMES, { seconds: 2 * SECONDS });
    const busy = await latencies(gateway, ME, account, load);
    for (const [name, q, target] of [
      ['median', 0.5, -3],
      ['p99', 0.99, -10],
    ] as const) {
      const what = `me during 16 logins, ${name}`;
      rows.push({ what, gateway: quantile(busy, q), floor: quantile(quiet, q), target, unit: 'ms' });
    }
  });
}

/** Runs work with a gateway. The first part makes the accounts. */
async function withGateway(
  database: Database,
  settings: Record<string, string>,
  work: (gateway: Server, accounts: Account[]) => Promise<void>,
): Promise<void> {
  const gateway = await Server.start(GATEWAY, GATEWAY_PORT, { ...database.environment, ...settings });
  try {
    const known = await database.query(`select from users where username = 'bench0'`);
    if (known.length === 0) for (const username of USERNAMES) await register(gateway, username);
    await work(gateway, await signIn(gateway, USERNAMES));
  } finally {
    await gateway.stop();
  }
}

function print(): void {
  const cells = rows.map(({ what, gateway, floor, target, unit, processor }) => {
    const ratio = gateway / floor;
    const wanted = target === 0 ? '' : target > 0 ? `>= ${percent(target)}` : `<= ${percent(-target)}`;
    const held = target === 0 || (target > 0 ? ratio >= target : ratio <= -target);
    return [
      what,
      `${gateway.toFixed(1)} ${unit}`,
      `${floor.toFixed(1)} ${unit}`,
      percent(ratio),
      held ? wanted : `${wanted}, not reached`,
      processor ? `${percent(processor.floor / processor.gateway)} (${processor.gateway.toFixed(0)} µs)` : '',
    ];
  });
  printTable(['what', 'gateway', 'floor', 'ratio', 'target', 'by processor time'], cells);
}

const PARTS: Record<string, (database: Database) => Promise<void>> = {
  queries: benchQueries,
  refresh: (database) => benchRefresh(database, 'PostgreSQL'),
  'refresh-redis': (database) => benchRefresh(database, 'Redis'),
  'refresh-es256': (database) => benchRefresh(database, 'PostgreSQL', 'ES256'),
  'refresh-redis-es256': (database) => benchRefresh(database, 'Redis', 'ES256'),
  latency: benchLatency,
  login: async (database) => {
    await benchLogin(database, 'bcrypt');
    await benchLogin(database, 'argon2id');
  },
  observe: (database) =>
    benchObserve(database, SECONDS, ({ what, target, observed, plain }) =>
      compare(what, target, observed, plain),
    ),
  workers: async (database) => {
    for (const { what, one, two, target } of await benchWorkers(database, SECONDS, ROUNDS))
      rows.push({ what, gateway: two, floor: one, target, unit: '/s' });
  },
  growth: (database) => benchGrowth(database, SECONDS),
};
/** Parts that run only by name: a million accounts take some minutes. */
const ONLY_WHEN_ASKED = ['growth'];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in PARTS));
if (unknown.length > 0) throw new Error(`no such part: ${unknown}; there are ${Object.keys(PARTS)}`);
const parts = asked.length > 0 ? asked : Object.keys(PARTS).filter((name) => !ONLY_WHEN_ASKED.includes(name));

await moveTo(LOAD_CORE);
const database = await startDatabase();
try {
  for (const name of parts) await PARTS[name]?.(database);
  if (rows.length > 0) print();
} finally {
  await database.close();
}
