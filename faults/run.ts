import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { printTable } from '../bench/support/table.ts';
import { FAULTS } from './faults.ts';
import { breaches, type Fault, SCALES } from './support/fault.ts';
import { seeded } from './support/random.ts';
import type { Tally } from './support/tally.ts';
import { World } from './support/world.ts';

/**
 * `npm run faults [-- NAME...] [--short] [--seed N] [--list]`: injects faults into real parts, on loopback only, under
 * clients that keep their own record of what was acknowledged to them. Prints one table. The exit code is 1 when a
 * verdict does not hold.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
  },
});

const HEAD = [
  ...['fault', 'store', 'requests', 'acknowledged', 'refused honestly', 'unanswered', 'lost', 'doubled'],
  ...['false alarms', 'longest wait', 'time to heal', 'verdict'],
];
/** Milliseconds after which a fault counts as hung. Longer than ten restarts and the longest outage. */
const LIMIT = { short: 2 * 60_000, long: 20 * 60_000 };

const say = (line: string): unknown => process.stderr.write(`${line}\n`);
const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;
const size = values.short ? 'short' : 'long';

function row(fault: Fault, store: string, tally: Tally): string[] {
  const problems = breaches(fault, tally);
  const sessions = tally.sessionsLost > 0 ? ` and ${tally.sessionsLost} sessions` : '';
  return [
    ...[fault.what, store],
    ...[tally.requests, tally.acknowledged, tally.refused, tally.unanswered].map(String),
    ...[`${tally.lost}${sessions}`, String(tally.doubled), String(tally.falseAlarms)],
    ...[seconds(tally.longestWait), seconds(tally.timeToHeal)],
    problems.length === 0 ? 'held' : `NOT HELD: ${problems.join('; ')}`,
  ];
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`took longer than ${milliseconds / 1000} s`)),
    milliseconds,
  );
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

/** @returns the rows of the table, one for each store. */
async function rowsOf(fault: Fault): Promise<string[][]> {
  const missing = fault.missing?.();
  if (missing !== undefined) {
    say(`SKIPPED ${fault.name}: ${missing} is not installed`);
    return [[fault.what, '', ...HEAD.slice(3).map(() => ''), `skipped: no ${missing}`]];
  }
  const rows: string[][] = [];
  for (const store of fault.stores) {
    say(`${new Date().toISOString()} ${fault.name} (${store})`);
    const round = { store, scale: SCALES[size], random: seeded(Number(values.seed)) };
    try {
      const tally = await within(LIMIT[size], fault.run(round));
      rows.push(row(fault, store, tally));
      for (const note of tally.notes) say(`  ${note}`);
    } catch (error) {
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
      rows.push([fault.what, store, ...HEAD.slice(3).map(() => ''), `NOT HELD: ${reason}`]);
      for (const story of await World.closeOpen()) say(`  ${story}`);
    }
    say(`  ${rows.at(-1)?.at(-1)}`);
  }
  return rows;
}

const isAsked = ({ name, inShort = false }: Fault): boolean =>
  positionals.length > 0 ? positionals.some((asked) => name.startsWith(asked)) : !values.short || inShort;

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void World.closeAll().finally(() => process.exit(1)));

const asked = FAULTS.filter(isAsked);
if (values.list || asked.length === 0) {
  for (const { name, what, inShort } of FAULTS) say(`${name}: ${what}${inShort ? ' (short form)' : ''}`);
  process.exitCode = values.list ? 0 : 1;
} else {
  const rows: string[][] = [];
  for (const fault of asked) rows.push(...(await rowsOf(fault)));
  await World.closeAll();
  printTable(HEAD, rows);
  say(
    `\nseed ${values.seed}; load average ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')}`,
  );
  const isHeld = rows.every((cells) => !cells.at(-1)?.startsWith('NOT HELD'));
  // Sockets of abandoned requests may still be open.
  process.exit(isHeld ? 0 : 1);
}
