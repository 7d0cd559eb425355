import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { Connection } from '../bench/support/connection.ts';
import { offer, type Request } from '../bench/support/open-loop.ts';
import type { Fault, Round } from './support/fault.ts';
import { pause } from './support/random.ts';
import type { Tally } from './support/tally.ts';
import { World } from './support/world.ts';

const TIMES = 10;
/** Seconds. */
const MEASURE_FOR = 3;
const OFFER_FOR = { short: 4, long: 15 };
const RECOVERS_WITHIN = 2;
/** Fraction of the capacity that must still be served. */
const GOODPUT = 0.7;
/** Together fewer than the connections that a gateway accepts. */
const CONNECTIONS = { login: 300, me: 500 };
/** Concurrent requests that keep it busy without being refused. */
const CLOSED_LOOP = { login: 2, me: 16 };
/** Milliseconds between two requests of clients that are not part of the load. */
const OTHERS_EVERY = 50;

/** Moves a process with all its threads, so that the load does not use the processor of the gateway. */
const moveTo = (cores: string, pid: number) => spawnSync('taskset', ['-a', '-cp', cores, String(pid)]);
const ALL_CORES = `0-${cpus().length - 1}`;

type Kind = 'login' | 'me';

/** @returns the problem; undefined without one. */
const problemOf = async (connection: Connection, { body, bearer }: Request): Promise<string | undefined> => {
  const { status, body: answer } = await connection.ask(body, bearer);
  return status === 200 && !answer.includes('"errors":') ? undefined : `${status} ${answer.slice(0, 80)}`;
};

const ask = async (connection: Connection, request: Request): Promise<boolean> =>
  (await problemOf(connection, request)) === undefined;

/** Answers per second when each client waits for the answer before. */
async function capacity(url: string, kind: Kind, next: () => Request): Promise<number> {
  let answered = 0;
  const until = performance.now() + MEASURE_FOR * 1000;
  await Promise.all(
    Array.from({ length: CLOSED_LOOP[kind] }, async () => {
      const connection = await Connection.open(url);
      while (performance.now() < until) if (await ask(connection, next())) answered += 1;
      connection.close();
    }),
  );
  return answered / MEASURE_FOR;
}

/** Milliseconds of one request, the shortest of five. */
async function quiet(url: string, next: () => Request): Promise<number> {
  const connection = await Connection.open(url);
  let shortest = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 5; turn++) {
    const startedAt = performance.now();
    if (await ask(connection, next())) shortest = Math.min(shortest, performance.now() - startedAt);
  }
  connection.close();
  return shortest;
}

async function overload({ scale }: Round, kind: Kind): Promise<Tally> {
  const world = await World.start({
    store: 'postgres',
    gateways: 1,
    settings: () => ({ PASSWORD_BCRYPT_COST: '10' }),
  });
  const { tally } = world;
  try {
    if (cpus().length > 1) {
      moveTo('0', world.gateways[0]?.pid ?? 0);
      moveTo(`1-${cpus().length - 1}`, process.pid);
    }
    await world.invite(8);
    const url = `${world.gateways[0]?.url}/graphql`;
    let turn = 0;
    const person = () => world.people[turn++ % world.people.length];
    const me = (): Request => ({
      body: JSON.stringify({ query: '{ me { id username email } }' }),
      bearer: person()?.accessToken,
    });
    const login = (): Request => ({ body: person()?.loginBody ?? '' });
    const next = kind === 'me' ? me : login;
    await capacity(url, kind, next);
    const carries = await capacity(url, kind, next);
    const quietTime = await quiet(url, next);
    const seconds = scale.isShort ? OFFER_FOR.short : OFFER_FOR.long;

    let isOver = false;
    const others = serveOthers(world, me, () => isOver);
    const offered = { perSecond: TIMES * carries, seconds, connections: CONNECTIONS[kind] };
    const outcome = await offer({ url }, offered, next);
    isOver = true;
    const { problems, longest } = await others;

    while ((await quiet(url, next)) > 2 * quietTime && performance.now() - outcome.endedAt < 60_000)
      await pause(100);
    tally.timeToHeal = performance.now() - outcome.endedAt;
    tally.requests = outcome.offered;
    tally.acknowledged = outcome.answered;
    tally.refused = outcome.shed;
    tally.unanswered = outcome.unsent;
    tally.longestWait = outcome.longestWait;
    const goodput = outcome.answered / seconds / carries;
    tally.notes.push(
      `carries ${carries.toFixed(0)} a second, goodput ${(goodput * 100).toFixed(0)} %, ` +
        `${outcome.unsent} not sent without a free connection, others waited ${longest.toFixed(0)} ms at most`,
    );
    if (goodput < GOODPUT) tally.isWrong(`goodput of ${(goodput * 100).toFixed(0)} %`);
    if (outcome.shedSilently > 0) tally.isWrong('refused without Retry-After');
    for (const problem of problems) tally.isWrong(`a request of others failed: ${problem}`);
    for (const [what, times] of outcome.neither) tally.isWrong(`${what}, ${times} times`);
    return tally;
  } finally {
    moveTo(ALL_CORES, process.pid);
    await world.close();
  }
}

/** Runs the probe of an orchestrator and a signed-in client. */
async function serveOthers(
  { gateways }: World,
  me: () => Request,
  isOver: () => boolean,
): Promise<{ problems: string[]; longest: number }> {
  const url = gateways[0]?.url;
  const seen = { problems: [] as string[], longest: 0 };
  const connection = await Connection.open(`${url}/graphql`);
  while (!isOver()) {
    const startedAt = performance.now();
    const live = fetch(`${url}/health/live`, { headers: { connection: 'close' } }).then(({ ok, status }) =>
      ok ? undefined : `/health/live ${status}`,
    );
    const served = await Promise.all([live, problemOf(connection, me())]).catch((error) => [String(error)]);
    seen.problems.push(...served.flatMap((problem) => problem ?? []));
    seen.longest = Math.max(seen.longest, performance.now() - startedAt);
    await pause(OTHERS_EVERY);
  }
  connection.close();
  return seen;
}

const fault = (kind: Kind, what: string): Fault => ({
  name: `overload-${kind}`,
  what: `${TIMES} times the ${what} that it carries, open loop`,
  stores: ['postgres'],
  bounds: { healsWithin: RECOVERS_WITHIN },
  run: (round) => overload(round, kind),
});

export const overloads: readonly Fault[] = [fault('login', 'logins'), fault('me', '`me`')];
