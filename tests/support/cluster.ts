import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { withMigrations } from '../../src/composition/index.ts';
import type { loadConfig } from '../../src/config/index.ts';
import type { layFoundation } from '../../src/foundation.ts';
import type { generatedSecrets } from '../../src/platform/generated-secrets.ts';

/**
 * No data must survive a crash, so the server does not wait for the disk. Each test file makes a database, and that
 * wait was most of the time for it.
 */
async function neverSync(superuserUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  await client.query('alter system set fsync = off');
  await client.query('select pg_reload_conf()');
  await client.end();
}

interface Functions {
  readonly loadConfig: typeof loadConfig;
  readonly layFoundation: typeof layFoundation;
  readonly withMigrations: typeof withMigrations;
  readonly generatedSecrets: typeof generatedSecrets;
}

export interface Cluster {
  readonly dataDir: string;
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL with a migrated database, which test files copy, and names it in TEST_DATABASE.
 * @param gateway its functions: of the build for the global set-up, which runs outside Jest, and of the sources for a test
 */
export async function startCluster({
  loadConfig,
  layFoundation,
  withMigrations,
  generatedSecrets,
}: Functions): Promise<Cluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-test-'));
  const foundation = await layFoundation(loadConfig({ DATA_DIR: dataDir }), () => {});
  await withMigrations(foundation, (migrations) => migrations.up());
  const { database } = await generatedSecrets(dataDir);
  const superuser = new URL(foundation.ownerUrl);
  Object.assign(superuser, { username: 'postgres', password: database.superuser, pathname: '/postgres' });
  await neverSync(superuser.href);
  process.env.TEST_DATABASE = JSON.stringify({
    superuserUrl: superuser.href,
    ownerUrl: foundation.ownerUrl,
    servingUrl: foundation.servingUrl,
  });
  return {
    dataDir,
    async stop() {
      await foundation.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
