import { spawnSync } from 'node:child_process';
import { rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { STORES } from './support/installed.ts';
import type { FaultPostgres } from './support/postgres.ts';
import { pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';

/** Size of the file system of the write-ahead log: four segments of 16 MB. */
const SIZE = '64m';
/** Seconds. */
const AWAY_FOR = 8;

const logOf = ({ folder }: FaultPostgres): string => join(folder, 'pg_wal');

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

/** Moves the write-ahead log to a small file system of its own. */
async function moveLog(postgres: FaultPostgres): Promise<void> {
  const log = logOf(postgres);
  await postgres.stop();
  await rename(log, `${log}.before`);
  run('mkdir', '-m', '700', log);
  run('mount', '-t', 'tmpfs', '-o', `size=${SIZE},mode=700`, 'tmpfs', log);
  run('cp', '-a', `${log}.before/.`, log);
  await rm(`${log}.before`, { recursive: true });
  await postgres.start();
}

/** PostgreSQL stops when it cannot write its log. An operator makes room and starts it again. */
export const postgresLogFull = underTraffic({
  name: 'postgres-log-full',
  what: `PostgreSQL cannot write its write-ahead log (disk full) for ${AWAY_FOR} s`,
  stores: STORES,
  bounds: { healsWithin: 5 },
  missing: () => (process.getuid?.() === 0 ? undefined : 'the right to mount a file system'),
  world: {
    async settings({ postgres, closing }, index) {
      if (index > 0) return {};
      await moveLog(postgres);
      closing.push(async () => spawnSync('umount', ['--lazy', logOf(postgres)]));
      return {};
    },
  },
  async inject({ postgres, tally }) {
    const filler = join(logOf(postgres), 'filler');
    const { bavail, bsize } = await statfs(logOf(postgres));
    run('fallocate', '-l', String(bavail * bsize), filler);
    const until = performance.now() + AWAY_FOR * 1000;
    while (performance.now() < until) {
      // Fills the existing segments sooner than the clients would.
      await postgres.superuser('select pg_switch_wal()').catch(() => {});
      await postgres.superuser('create table if not exists filler as select 1').catch(() => {});
      await pause(200);
    }
    await rm(filler);
    await postgres.kill();
    await postgres.start();
    tally.partIsBack();
  },
});
