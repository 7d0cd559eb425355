import { cpus } from 'node:os';
import { commitsPerSecond, type Database, startDatabase } from './support/database.ts';
import {
  type Account,
  latencies,
  loginsPerSecond,
  queriesPerSecond,
  refreshesPerSecond,
  register,
  signIn,
} from './support/load.ts';
import { LOAD_CORE, measureOnServerCore, moveTo, Server } from './support/process.ts';

/** `npm run bench`: ratios against floors that are measured beside them in the same run. Figures of one run only. */
const SECONDS = Number(process.env.BENCH_SECONDS ?? 5);
const ROUNDS = 3;
const GATEWAY = ['--', 'dist/src/main.js', 'start'];
const GATEWAY_PORT = 4901;
const FLOOR_PORT = 4902;
const ME = '{ me { id username email } }';
const ME_WITH_ROLES = '{ me { id username email roles { name } } }';

interface Row {
  what: string;
  gateway: number;
  floor: number;
  /** Of the ratio, in percent: at least, or at most where it is negative. */
  target: number;
  unit: string;
}
const rows: Row[] = [];
const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const quantile = (sorted: number[], q: number): number =>
  sorted[Math.floor((sorted.length - 1) * q)] ?? Number.NaN;

/** In turns, so that a noisy moment of the machine hits both. */
async function inTurns(one: () => Promise<number>, other: () => Promise<number>): Promise<[number, number]> {
  const [ones, others]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    ones.push(await one());
    others.push(await other());
  }
  return [median(ones), median(others)];
}

async function benchQueries(database: Database, gateway: Server, account: Account): Promise<void> {
  const floor = await Server.start(['bench/floors/bare-server.ts'], FLOOR_PORT, {
    DATABASE_URL: database.servingUrl,
    JWKS_URL: `http://127.0.0.1:${GATEWAY_PORT}/.well-known/jwks.json`,
  });
  // Until the code is compiled and the pools are full, the first row would pay for all.
  await queriesPerSecond(gateway.url, ME_WITH_ROLES, account, SECONDS);
  await queriesPerSecond(floor.url, ME, account, SECONDS);
  for (const [what, query, target] of [
    ['me { id username email }', ME, 70],
    ['me with roles { name }', ME_WITH_ROLES, 50],
  ] as const) {
    const [ours, bare] = await inTurns(
      () => queriesPerSecond(gateway.url, query, account, SECONDS),
      () => queriesPerSecond(floor.url, ME, account, SECONDS),
    );
    rows.push({ what, gateway: ours, floor: bare, target, unit: '/s' });
  }
  rows.push({
    what: 'resident memory',
    gateway: await gateway.memory(),
    floor: await floor.memory(),
    target: -200,
    unit: 'MB',
  });
  rows.push({
    what: 'cold start to first answer',
    gateway: gateway.firstAnswerAfter,
    floor: floor.firstAnswerAfter,
    target: 0,
    unit: 'ms',
  });
  await floor.stop();
}

async function benchRefresh(database: Database, gateway: Server, accounts: Account[]): Promise<void> {
  const floor = async () =>
    Math.min(
      await measureOnServerCore(['bench/floors/signatures.ts']),
      await commitsPerSecond(database, SECONDS),
    );
  const [ours, least] = await inTurns(() => refreshesPerSecond(gateway.url, accounts, SECONDS), floor);
  rows.push({ what: 'refresh', gateway: ours, floor: least, target: 60, unit: '/s' });
}

async function benchLogin(gateway: Server, accounts: Account[], scheme: string): Promise<void> {
  const [ours, hashes] = await inTurns(
    () => loginsPerSecond(gateway.url, accounts, 2 * SECONDS),
    () => measureOnServerCore(['bench/floors/hashes.ts'], { SCHEME: scheme }),
  );
  rows.push({ what: `login, ${scheme}`, gateway: ours, floor: hashes, target: 95, unit: '/s' });
}

async function benchLatency(gateway: Server, accounts: Account[]): Promise<void> {
  const [account] = accounts as [Account];
  const quiet = await latencies(
    gateway.url,
    account,
    new Promise((resolve) => setTimeout(resolve, SECONDS * 1000)),
  );
  const busy = await latencies(gateway.url, account, loginsPerSecond(gateway.url, accounts, 2 * SECONDS));
  for (const [name, q, target] of [
    ['median', 0.5, -300],
    ['p99', 0.99, -1000],
  ] as const) {
    const what = `me during 16 logins, ${name}`;
    rows.push({ what, gateway: quantile(busy, q), floor: quantile(quiet, q), target, unit: 'ms' });
  }
}

function print(): void {
  const cells = rows.map(({ what, gateway, floor, target, unit }) => {
    const ratio = (gateway / floor) * 100;
    const wanted = target === 0 ? '' : target > 0 ? `>= ${target} %` : `<= ${-target} %`;
    const held = target === 0 ? '' : (target > 0 ? ratio >= target : ratio <= -target) ? 'held' : 'NOT HELD';
    return [
      what,
      `${gateway.toFixed(1)} ${unit}`,
      `${floor.toFixed(1)} ${unit}`,
      `${ratio.toFixed(0)} %`,
      wanted,
      held,
    ];
  });
  const { model } = cpus()[0] ?? { model: 'unknown' };
  process.stdout.write(
    `\n${model}, ${cpus().length} cores, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}\n\n`,
  );
  for (const row of [
    ['what', 'gateway', 'floor', 'ratio', 'target', ''],
    ['-', '-', '-', '-', '-', '-'],
    ...cells,
  ]) {
    process.stdout.write(`| ${row.join(' | ')} |\n`);
  }
}

await moveTo(LOAD_CORE);
const database = await startDatabase();
try {
  let gateway = await Server.start(GATEWAY, GATEWAY_PORT, database.environment);
  const accounts: Account[] = [];
  for (let index = 0; index < 16; index++) accounts.push(await register(gateway.url, `bench${index}`));
  await benchQueries(database, gateway, accounts[0] as Account);
  await benchRefresh(database, gateway, accounts);
  await benchLatency(gateway, accounts);
  await benchLogin(gateway, accounts, 'bcrypt');
  await gateway.stop();

  gateway = await Server.start(GATEWAY, GATEWAY_PORT, { ...database.environment, PASSWORD_HASH: 'argon2id' });
  for (const { username } of accounts) await signIn(gateway.url, username);
  await benchLogin(gateway, accounts, 'argon2id');
  await gateway.stop();
} finally {
  await database.close();
}
print();
