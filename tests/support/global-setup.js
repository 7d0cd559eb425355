import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
// From the build, which `npm test` makes first: this file runs outside Jest, where TypeScript is not transformed.
import 'reflect-metadata';
import { withMigrations } from '../../dist/src/composition/index.js';
import { loadConfig } from '../../dist/src/config/index.js';
import { layFoundation } from '../../dist/src/foundation.js';
import { generatedSecrets } from '../../dist/src/platform/generated-secrets.js';

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** One Redis for the two processes of every TestGateway, with a database for each. */
async function startSharedRedis(folder) {
  if (process.env.GATEHOUSE_TEST_TOPOLOGY !== 'two') return undefined;
  if (process.env.TEST_REDIS !== 'yes') throw new Error('tests on two processes need redis-server');
  const port = await freePort();
  const server = spawn(
    'redis-server',
    ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--databases', '10000'].map(
      String,
    ),
    { stdio: 'ignore' },
  );
  process.env.TEST_REDIS_URL = `redis://127.0.0.1:${port}`;
  return server;
}

/** Each test file starts a Redis of its own; a machine without the server tests everything else, and says so. */
function lookForRedis() {
  const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  const found = status === 0;
  process.env.TEST_REDIS = found ? 'yes' : 'no';
  const version = /v=(\S+)/.exec(stdout ?? '')?.[1] ?? 'of unknown version';
  process.stderr.write(
    found
      ? `What there is for Redis is tested on redis-server ${version}.\n`
      : 'SKIPPED: there is no redis-server here, so nothing is tested on Redis.\n',
  );
}

/** Debian, Ubuntu, then Google's own packages. */
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome'];

function lookForBrowser() {
  const found = BROWSERS.find((name) => spawnSync(name, ['--version']).status === 0);
  process.env.TEST_BROWSER = found ?? '';
  if (!found)
    process.stderr.write('SKIPPED: there is no Chromium here, so no page is tested in a browser.\n');
}

/** Nothing here outlives a crash, and each test file makes a database: waiting for the disk was most of that. */
async function neverSync(superuserUrl) {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  await client.query('alter system set fsync = off');
  await client.query('select pg_reload_conf()');
  await client.end();
}

/** One PostgreSQL for all test files, with a migrated database that each of them copies. */
export default async function globalSetup() {
  lookForRedis();
  lookForBrowser();
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-test-'));
  const redis = await startSharedRedis(dataDir);
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
  globalThis.testFoundation = { foundation, dataDir, redis };
}
