import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import pg from 'pg';
import type * as Composition from '../../src/composition/index.ts';
import type * as Configuration from '../../src/config/index.ts';
import type * as Ground from '../../src/foundation.ts';

/** Loads modules from the build, so that the bench measures the production code. */
const built = <Module>(name: string) =>
  import(new URL(`../../dist/src/${name}`, import.meta.url).href) as Promise<Module>;
const { withMigrations } = await built<typeof Composition>('composition/index.js');
const { loadConfig } = await built<typeof Configuration>('config/index.js');
const { layFoundation } = await built<typeof Ground>('foundation.js');

/** Starts a PostgreSQL for the bench, migrated, on the core of the load. */
export async function startDatabase() {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
  const foundation = await layFoundation(loadConfig({ DATA_DIR: dataDir }), () => {});
  await withMigrations(foundation, (migrations) => migrations.up());
  const key = () => randomBytes(32).toString('base64');
  return {
    servingUrl: foundation.servingUrl,
    /** The settings of a gateway on this database. */
    environment: {
      DATABASE_URL: foundation.servingUrl,
      DATABASE_MIGRATION_URL: foundation.ownerUrl,
      TOKEN_KEY: key(),
      ENCRYPTION_KEY: key(),
      PASSWORD_PEPPER: key(),
      RATE_LIMIT: 'off',
      LOG_LEVEL: 'warn',
    },
    async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
      const client = new pg.Client({ connectionString: foundation.ownerUrl });
      await client.connect();
      const { rows } = await client.query<Row>(text, values).finally(() => client.end());
      return rows;
    },
    async close(): Promise<void> {
      await foundation.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export type Database = Awaited<ReturnType<typeof startDatabase>>;

/** Single-row commits per second over 16 connections: the upper bound of any store in PostgreSQL. */
export async function commitsPerSecond({ servingUrl, query }: Database, seconds: number): Promise<number> {
  await query('create table if not exists bench_commit (id int primary key, n int not null default 0)');
  await query('insert into bench_commit (id) select generate_series(1, 16) on conflict do nothing');
  await query('grant select, update on bench_commit to gatehouse_app');
  const until = performance.now() + seconds * 1000;
  const counts = await Promise.all(
    Array.from({ length: 16 }, async (_, index) => {
      const client = new pg.Client({ connectionString: servingUrl });
      await client.connect();
      let count = 0;
      while (performance.now() < until) {
        await client.query('update bench_commit set n = n + 1 where id = $1', [index + 1]);
        count += 1;
      }
      await client.end();
      return count;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0) / seconds;
}
