import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeBlockpass } from '../examples/blockpass-fakes/index.ts';
import { type Database, startDatabase } from './support/database.ts';
import { Busy, Person } from './support/people.ts';
import { GATEWAY, GATEWAY_PORT, LOAD_CORE, moveTo, Server } from './support/process.ts';
import { median } from './support/table.ts';

/**
 * `npm run bench:soak`: half an hour of a moderate mix. Each client has its own IP and stays within its limits.
 * Sessions live for minutes, so that housekeeping has work. Passwords are hashed at a low cost, since time spent on
 * hashing finds no leaks.
 *
 * Samples are taken every ten seconds. The run is level when:
 * - resident memory, and the heap after full collections, have a median in the last third that is at most 5 % above
 *   that of the second third (in the first third code is compiled and caches fill);
 * - open files, threads and connections to PostgreSQL are at most two above;
 * - no row that housekeeping deletes was overdue for more than 22 minutes: its rounds are at most ten apart, and one
 *   may fail on a busy machine;
 * - no mail waited at the end, and every answer was as expected.
 *
 * A SERVICE_UNAVAILABLE counts as busy, and so does an operation that is not started because a hundred others run. On a
 * shared machine that is not a fault. But when only the busy count grows, find out what holds the connections to the
 * database. A much shorter run is still warming up, and says nothing about memory.
 */
const MINUTES = Number(process.env.BENCH_MINUTES ?? 30);
const PEOPLE = 60;
const PER_SECOND = 20;
/** Limit of concurrent operations. More would no longer be a steady load. */
const MAX_AT_ONCE = 100;
const SAMPLE_EVERY = 10_000;
const LINES = 10;
const MEMORY_TOLERANCE = 1.05;
const COUNT_TOLERANCE = 2;
const OVERDUE_AFTER = '22 minutes';

/** Shares of a hundred operations. */
const MIX = {
  me: 45,
  refresh: 25,
  rejectedDocument: 10,
  subscription: 6,
  login: 4,
  logout: 4,
  ready: 3,
  wrongPassword: 1,
  recover: 1,
  register: 1,
} as const;
type Operation = keyof typeof MIX;
const OPERATIONS = Object.entries(MIX).flatMap(([name, share]) => Array(share).fill(name)) as Operation[];

/** The tables from which housekeeping deletes rows within the time of a run, with the column of the deadline. */
const BOUNDED = { session: 'expires_at', ending: 'kept_until', one_time_token: 'expires_at' } as const;

const GAUGES = ['resident MB', 'heap MB', 'open files', 'threads', 'connections'] as const;
type Gauge = (typeof GAUGES)[number];
interface Sample extends Record<Gauge, number> {
  minute: number;
  rows: string;
  overdue: number;
  mailsWaiting: number;
}

const print = (line: string): unknown => process.stdout.write(`${line}\n`);
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function insist<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Busy)) throw error;
    }
  }
}

/** Starts so many operations a second, without waiting for earlier ones. */
class Crowd {
  readonly done = new Map<Operation, number>();
  readonly wrong = new Map<string, number>();
  /** Operations that were refused with SERVICE_UNAVAILABLE, or not started. */
  busy = 0;
  readonly #url: string;
  readonly #idle: Person[];
  readonly #running = new Set<Promise<void>>();
  #registered: number;

  constructor(url: string, people: Person[]) {
    this.#url = url;
    this.#idle = people;
    this.#registered = people.length;
  }

  async runUntil(end: number): Promise<void> {
    let due = performance.now();
    while (performance.now() < end) {
      for (; due <= performance.now(); due += 1000 / PER_SECOND) this.#begin();
      await pause(5);
    }
    await Promise.all(this.#running);
  }

  #begin(): void {
    const person = this.#running.size < MAX_AT_ONCE ? this.#idle.shift() : undefined;
    if (!person) {
      this.busy += 1;
      return;
    }
    const name = OPERATIONS[Math.floor(Math.random() * OPERATIONS.length)] as Operation;
    const running = this.#perform(name, person)
      .then(() => void this.done.set(name, (this.done.get(name) ?? 0) + 1))
      .catch((error: Error) => {
        if (error instanceof Busy) {
          this.busy += 1;
          return;
        }
        const what = `${name}: ${error.message}`;
        this.wrong.set(what, (this.wrong.get(what) ?? 0) + 1);
      })
      .finally(() => {
        this.#idle.push(person);
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  async #perform(name: Operation, person: Person): Promise<void> {
    if (name === 'register') await Person.register(this.#url, this.#registered++);
    else await person[name]();
  }
}

async function take(server: Server, database: Database, heapFile: string, minute: number): Promise<Sample> {
  const counts = await Promise.all(
    Object.entries(BOUNDED).map(async ([table, end]) => {
      const [row] = await database.query<{ rows: string; overdue: string }>(
        `select count(*) as rows, count(*) filter (where ${end} < now() - interval '${OVERDUE_AFTER}') as overdue
         from ${table}`,
      );
      return { table, rows: Number(row?.rows), overdue: Number(row?.overdue) };
    }),
  );
  const [state] = await database.query<{ connections: string; waiting: string }>(
    `select (select count(*) from pg_stat_activity where usename = $1) as connections,
            (select count(*) from mail_job where finished_at is null) as waiting`,
    [new URL(database.servingUrl).username],
  );
  return {
    minute,
    'resident MB': await server.memory(),
    // There is no value before the first full collection.
    'heap MB': Number(await readFile(heapFile, 'utf8').catch(() => 'NaN')) / 1024 / 1024,
    'open files': await server.openFiles(),
    threads: await server.threads(),
    connections: Number(state?.connections),
    rows: counts.map(({ table, rows }) => `${table} ${rows}`).join(', '),
    overdue: counts.reduce((sum, { overdue }) => sum + overdue, 0),
    mailsWaiting: Number(state?.waiting),
  };
}

/** @returns the gauges and counts that are not level. */
function judge(samples: readonly Sample[], crowd: Crowd): string[] {
  const third = Math.floor(samples.length / 3);
  const problems: string[] = [];
  for (const gauge of GAUGES) {
    const of = (part: readonly Sample[]) =>
      median(part.map((sample) => sample[gauge]).filter(Number.isFinite));
    const [before, after] = [of(samples.slice(third, -third)), of(samples.slice(-third))];
    const bound = gauge.endsWith('MB') ? before * MEMORY_TOLERANCE : before + COUNT_TOLERANCE;
    print(`${gauge}: median of the second third ${before.toFixed(1)}, of the last ${after.toFixed(1)}`);
    if (!(after <= bound)) problems.push(gauge);
  }
  if (samples.some(({ overdue }) => overdue > 0)) problems.push('rows that are overdue');
  if (samples.at(-1)?.mailsWaiting !== 0) problems.push('mails that wait');
  if (crowd.wrong.size > 0) problems.push('answers');
  return problems;
}

await moveTo(LOAD_CORE);
const folder = await mkdtemp(join(tmpdir(), 'gatehouse-soak-'));
const database = await startDatabase();
const nowhere = 'http://127.0.0.1:9';
// Sign-ins are started there, but never scanned.
const blockpass = new FakeBlockpass({
  clientId: 'developer_service',
  clientSecret: 'developer_service',
  fields: ['email', 'selfie'],
  certificates: ['onfido-service-cert'],
  address: '',
  endpoints: { status: nowhere, login: nowhere, register: nowhere, upload: nowhere, resubmit: nowhere },
});
let server: Server | undefined;
try {
  await blockpass.start();
  const heapFile = join(folder, 'heap');
  server = await Server.start(['--import', './bench/support/report-heap.ts', ...GATEWAY], GATEWAY_PORT, {
    ...database.environment,
    HEAP_FILE: heapFile,
    RATE_LIMIT: 'on',
    TRUSTED_PROXIES: '127.0.0.1',
    BLOCKPASS_BASE_URL: blockpass.url,
    PASSWORD_BCRYPT_COST: '8',
    ACCESS_TOKEN_TTL_SECONDS: '60',
    REFRESH_TOKEN_TTL_SECONDS: '240',
  });
  const people: Person[] = [];
  const { url } = server;
  while (people.length < PEOPLE) people.push(await insist(() => Person.register(url, people.length)));
  // One after the other, since all together would exceed the queue for hashes.
  for (const person of people) await insist(() => person.login());
  const crowd = new Crowd(url, people);
  const startedAt = performance.now();
  const end = startedAt + MINUTES * 60_000;
  const load = crowd.runUntil(end);

  const total = (counts: Map<unknown, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0);
  print(`minute | operations | busy | unexpected | ${GAUGES.join(' | ')} | rows | overdue | mails waiting`);
  const samples: Sample[] = [];
  const samplesPerLine = Math.max(1, Math.round((MINUTES * 60_000) / SAMPLE_EVERY / LINES));
  while (performance.now() < end) {
    await pause(SAMPLE_EVERY);
    const sample = await take(server, database, heapFile, (performance.now() - startedAt) / 60_000);
    samples.push(sample);
    if (samples.length % samplesPerLine > 0) continue;
    print(
      [
        sample.minute.toFixed(1),
        total(crowd.done),
        crowd.busy,
        total(crowd.wrong),
        ...GAUGES.map((gauge) => sample[gauge].toFixed(0)),
        sample.rows,
        sample.overdue,
        sample.mailsWaiting,
      ].join(' | '),
    );
  }
  await load;
  // Gives the last mails a moment.
  await pause(5_000);
  samples.push(await take(server, database, heapFile, (performance.now() - startedAt) / 60_000));

  print(`done: ${[...crowd.done].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  for (const [what, times] of crowd.wrong) print(`unexpected: ${what} (${times} times)`);
  const problems = judge(samples, crowd);
  print(problems.length === 0 ? 'level' : `NOT level: ${problems.join(', ')}`);
  if (problems.length > 0) process.exitCode = 1;
} finally {
  await server?.stop();
  await blockpass.stop();
  await database.close();
  await rm(folder, { recursive: true, force: true });
}
