import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
// From the build, which `npm test` makes first: this file runs outside Jest, where TypeScript is not transformed.
import 'reflect-metadata';
import { withMigrations } from '../../dist/src/composition/index.js';
import { loadConfig } from '../../dist/src/config/index.js';
import { layFoundation } from '../../dist/src/foundation.js';
import { generatedSecrets } from '../../dist/src/platform/generated-secrets.js';
import { startCluster } from './cluster.ts';

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

/** One PostgreSQL for all test files, with a migrated database that each of them copies. */
export default async function globalSetup() {
  lookForRedis();
  lookForBrowser();
  const cluster = await startCluster({ loadConfig, layFoundation, withMigrations, generatedSecrets });
  const redis = await startSharedRedis(cluster.dataDir);
  globalThis.testFoundation = { cluster, redis };
}
