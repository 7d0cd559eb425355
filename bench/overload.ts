import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Connection } from './support/connection.ts';
import { type Database, startDatabase } from './support/database.ts';
import { type Account, loginBody, logins, queries, register, signIn } from './support/load.ts';
import { type Outcome, offer, type Request } from './support/open-loop.ts';
import { GATEWAY, GATEWAY_PORT, LOAD_CORE, moveTo, Server } from './support/process.ts';
import { median } from './support/table.ts';

/**
 * `npm run bench:overload`: finds the capacity of the gateway for logins and for `me`, then offers five times as much
 * for twenty seconds. The loop is open: a request is sent when it is due, without waiting for the answer to the one
 * before. It reports the outcome of each request. It also reports how long other clients waited meanwhile, for
 * `/health/live` and for their own `me`, one after the other. It reports the recovery time: from the last offer until a
 * login and a `me` take at most twice their quiet time again.
 */
const SECONDS = Number(process.env.BENCH_SECONDS ?? 20);
const TIMES = 5;
const CAPACITY_SECONDS = 5;
/** Enough to keep a core busy. On a slow core, one more might be refused. */
const LOGINS_AT_ONCE = 4;
const ME = JSON.stringify({ query: '{ me { id username email } }' });
const USERNAMES = Array.from({ length: 16 }, (_, index) => `bench${index}`);
/** Together with those of the watchers, fewer than MAX_CONNECTIONS. In production a proxy would ensure that. */
const CONNECTIONS = { login: 500, me: 1_000 };
/** Seconds within which the gateway must have recovered. */
const RECOVERY = 10;

const print = (line: string): unknown => process.stdout.write(`${line}\n`);
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Runs the work several times, one run after the other. */
async function each(count: number, work: () => Promise<number>): Promise<number[]> {
  const all: number[] = [];
  for (let turn = 0; turn < count; turn++) all.push(await work());
  return all;
}

interface Watched {
  asked: number;
  longest: number;
  /** Requests with another status than 200. */
  refused: number;
}

/** Sends one request after the other, until it is stopped. */
function watch(ask: () => Promise<boolean>): () => Promise<Watched> {
  const seen: Watched = { asked: 0, longest: 0, refused: 0 };
  let over = false;
  const watching = (async () => {
    while (!over) {
      let wasAnswered = false;
      const took = await timed(async () => {
        wasAnswered = await ask().catch(() => false);
      });
      seen.asked += 1;
      seen.longest = Math.max(seen.longest, took);
      if (!wasAnswered) seen.refused += 1;
      await pause(20);
    }
  })();
  return async () => {
    over = true;
    await watching;
    return seen;
  };
}

const inWords = ({ asked, longest, refused }: Watched): string =>
  `${asked} times, ${refused} of them refused, longest ${longest.toFixed(0)} ms`;

class Overload {
  readonly #server: Server;
  readonly #accounts: Account[];
  #next = 0;

  constructor(server: Server, accounts: Account[]) {
    this.#server = server;
    this.#accounts = accounts;
  }

  login = (): Request => ({ body: loginBody(this.#account.username) });
  me = (): Request => ({ body: ME, bearer: this.#account.accessToken });

  get #account(): Account {
    return this.#accounts[this.#next++ % this.#accounts.length] as Account;
  }

  /** @returns the problems. */
  async run(what: string, load: () => Promise<Outcome[]>): Promise<string[]> {
    const { url } = this.#server;
    const connection = await Connection.open(url);
    const ask = async ({ body, bearer }: Request) => (await connection.ask(body, bearer)).status === 200;
    /** Milliseconds of a served request. A refusal counts as infinite. */
    const served = async (request: Request): Promise<number> => {
      let wasServed = false;
      const took = await timed(async () => {
        wasServed = await ask(request);
      });
      return wasServed ? took : Number.POSITIVE_INFINITY;
    };
    const quiet = {
      me: median(await each(50, () => served(this.me()))),
      login: median(await each(5, () => served(this.login()))),
    };
    const before = await this.#server.memory();

    let peak = before;
    const sampling = setInterval(async () => {
      peak = Math.max(peak, await this.#server.memory());
    }, 500);
    // Like the probes of an orchestrator: over a new connection each time.
    const probe = { headers: { connection: 'close' } };
    const live = watch(async () => (await fetch(new URL('/health/live', url), probe)).status === 200);
    const me = watch(() => ask(this.me()));
    // Delay of the load generator itself, which is part of all waits.
    const lag = monitorEventLoopDelay();
    lag.enable();
    const outcomes = await load();
    const endedAt = Math.max(...outcomes.map((outcome) => outcome.endedAt));
    const drained = performance.now() - endedAt;
    const seen = { live: await live(), me: await me() };
    clearInterval(sampling);
    lag.disable();

    let recovered = Number.POSITIVE_INFINITY;
    let last = '';
    while (performance.now() - endedAt < 3 * RECOVERY * 1000) {
      const now = {
        me: median(await each(5, () => served(this.me()))),
        login: await served(this.login()),
      };
      last = `me ${now.me.toFixed(1)} ms, login ${now.login.toFixed(0)} ms`;
      if (!(now.me <= 2 * quiet.me && now.login <= 2 * quiet.login)) continue;
      recovered = (performance.now() - endedAt) / 1000;
      break;
    }
    connection.close();

    print(`\n${what}`);
    const problems: string[] = [];
    for (const outcome of outcomes) {
      const { offered, unsent, answered, shed, shedSilently, neither, longestWait, longestAnswered } =
        outcome;
      const others = [...neither.values()].reduce((sum, times) => sum + times, 0);
      print(
        `  offered ${offered} (${(offered / SECONDS).toFixed(0)}/s): answered ${answered}, shed ${shed} with Retry-After and ` +
          `${shedSilently} without, not sent without a free connection ${unsent}, neither ${others}; ` +
          `longest wait ${longestWait.toFixed(0)} ms, of those that were served ${longestAnswered.toFixed(0)} ms`,
      );
      for (const [kind, count] of neither) print(`  neither: ${kind} (${count} times)`);
      if (shedSilently > 0) problems.push(`${what}: refused without Retry-After`);
      if (others > 0) problems.push(`${what}: neither answered nor shed`);
    }
    print(`  /health/live of others: ${inWords(seen.live)}`);
    print(`  me of others: ${inWords(seen.me)}`);
    print(`  the load generator itself was late by up to ${(lag.max / 1e6).toFixed(0)} ms`);
    print(`  resident memory: ${before.toFixed(0)} MB before, at most ${peak.toFixed(0)} MB meanwhile`);
    print(`  the last was answered ${(drained / 1000).toFixed(1)} s after the end of the load`);
    print(
      `  at most twice the quiet time (me ${quiet.me.toFixed(1)} ms, login ${quiet.login.toFixed(0)} ms) ` +
        `after ${recovered.toFixed(1)} s: ${last}`,
    );
    if (seen.live.refused > 0) problems.push(`${what}: /health/live was not answered`);
    if (!(recovered < RECOVERY)) problems.push(`${what}: took longer than ${RECOVERY} s to recover`);
    return problems;
  }
}

async function measure(database: Database): Promise<void> {
  const server = await Server.start(GATEWAY, GATEWAY_PORT, database.environment);
  try {
    for (const username of USERNAMES) await register(server, username);
    const accounts = await signIn(server, USERNAMES, LOGINS_AT_ONCE);
    const { query } = JSON.parse(ME) as { query: string };
    await queries(server, query, accounts, { times: 10_000 });
    const carries = {
      me: (await queries(server, query, accounts, { seconds: CAPACITY_SECONDS })).perSecond,
      login: (await logins(server, USERNAMES, { seconds: 2 * CAPACITY_SECONDS }, LOGINS_AT_ONCE)).perSecond,
    };
    print(`carries ${carries.me.toFixed(0)} me a second, or ${carries.login.toFixed(1)} logins`);
    const overload = new Overload(server, accounts);
    const many = (kind: 'login' | 'me') => () =>
      offer(
        server,
        { perSecond: TIMES * carries[kind], seconds: SECONDS, connections: CONNECTIONS[kind] },
        overload[kind],
      );
    const [manyLogins, manyMes] = [many('login'), many('me')];
    const problems = [
      ...(await overload.run('logins', async () => [await manyLogins()])),
      ...(await overload.run('me', async () => [await manyMes()])),
      ...(await overload.run('both', () => Promise.all([manyLogins(), manyMes()]))),
    ];
    print(problems.length === 0 ? '\nshed as it should' : `\nNOT as it should:\n${problems.join('\n')}`);
    if (problems.length > 0) process.exitCode = 1;
  } finally {
    await server.stop();
  }
}

await moveTo(LOAD_CORE);
const database = await startDatabase();
try {
  await measure(database);
} finally {
  await database.close();
}
