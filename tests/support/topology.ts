import { it } from '@jest/globals';
import { createClient } from 'redis';
import type { Environment } from '../../src/platform/settings.ts';

/** Whether a TestGateway is one process, or two that share a database and a Redis (jest.two.config.js). */
export const topology: 'one' | 'two' = process.env.GATEHOUSE_TEST_TOPOLOGY === 'two' ? 'two' : 'one';

/** `it` for a rule that can only be tested in one process, with the reason. */
export const inOneProcess = (why: string) => (name: string, test: () => void | Promise<void>) =>
  topology === 'one' ? it(name, test) : it.skip(`${name} [one process only: ${why}]`, test);

/** The settings that all processes of one TestGateway share in this run. */
export async function sharedSettings(): Promise<Environment> {
  const { TEST_REDIS_URL, GATEHOUSE_TEST_SESSION_STORE } = process.env;
  if (TEST_REDIS_URL === undefined) return {};
  return {
    REDIS_URL: `${TEST_REDIS_URL}/${await ownDatabase(TEST_REDIS_URL)}`,
    SESSION_STORE: GATEHOUSE_TEST_SESSION_STORE,
  };
}

/** A number that no other test file has, so that files do not see each other's counters and data. */
async function ownDatabase(url: string): Promise<number> {
  const client = createClient({ url });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.incr('databases in use');
  } finally {
    client.destroy();
  }
}
