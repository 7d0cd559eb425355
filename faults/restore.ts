import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { GatehouseProcess } from '../tests/support/process.ts';
import type { Fault } from './support/fault.ts';
import { FaultPostgres } from './support/postgres.ts';
import { pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';

/** Seconds of work during the copy, and after it. */
const WORK_FOR = 2;

/** The statements that docs/configuration.md tells the operator to run. */
async function procedure(): Promise<string> {
  const book = await readFile('docs/configuration.md', 'utf8');
  const [, statements] = /### Restoring a backup[\s\S]*?```sql\n([\s\S]*?)```/.exec(book) ?? [];
  if (statements === undefined) throw new Error('docs/configuration.md has no procedure for a restore');
  return statements;
}

/** Copies the files of a running server, as pg_basebackup does. They are consistent from the end of the backup on. */
async function backUp(postgres: FaultPostgres): Promise<FaultPostgres> {
  const client = new pg.Client({ connectionString: postgres.url('postgres', 'postgres') });
  await client.connect();
  try {
    await client.query(`select pg_backup_start('faults', true)`);
    await pause(WORK_FOR * 1000);
    const copy = await postgres.copyRunning();
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
    await writeFile(join(copy.folder, 'backup_label'), rows[0]?.labelfile ?? '');
    // The log up to the end of the backup, without which no copy is consistent.
    spawnSync('cp', ['-aT', join(postgres.folder, 'pg_wal'), join(copy.folder, 'pg_wal')]);
    return copy;
  } finally {
    await client.end();
  }
}

export const restore: Fault = underTraffic({
  name: 'restore',
  what: 'copied under load, restored into another cluster as documented',
  stores: ['postgres'],
  // After a documented restore, all users sign in again.
  bounds: { maySessionsBeLost: true },
  async inject(world) {
    const copy = await backUp(world.postgres);
    world.closing.push(() => copy.remove());
    await pause(WORK_FOR * 1000);
    for (const gateway of world.gateways) await gateway.stop();
    await world.postgres.stop();
    await copy.start();
    for (const statement of (await procedure()).split(';').filter((text) => text.trim() !== ''))
      await copy.query(statement);
    const environment = world.environment(copy);
    const rotation = GatehouseProcess.run(['keys', 'rotate', '--emergency'], environment);
    if ((await rotation.ended) !== 0) throw new Error(`keys rotate: ${rotation.errors}`);
    world.postgres = copy;
    // Changes after the copy are lost, as documented. Ended sessions must not revive.
    world.tally.forgetsPasswords = true;
    for (const gateway of world.gateways) await gateway.start(environment);
    world.tally.partIsBack();
  },
});
