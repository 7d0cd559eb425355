import type { EntityManager } from '@mikro-orm/postgresql';
import { databaseClient } from './primary.ts';
import { sql, statement } from './statement.ts';

/** Numbers of the advisory locks, in the key space of the gateway's database. */
export const AdvisoryLock = {
  MIGRATIONS: 0x6761_0001,
  SIGNING_KEYS: 0x6761_0002,
  HOUSEKEEPING: 0x6761_0003,
} as const;
export type AdvisoryLock = (typeof AdvisoryLock)[keyof typeof AdvisoryLock];

/** How long a start waits while another process migrates. */
const LOCK_WAIT = '60s';

/** Holds the lock until the transaction of `em` ends. */
export async function lockInTransaction(em: EntityManager, lock: AdvisoryLock): Promise<void> {
  await statement(em, sql`select pg_advisory_xact_lock(${lock})`);
}

/**
 * Like `lockInTransaction`, but without waiting.
 * @returns false when another process holds the lock.
 */
export async function tryLockInTransaction(em: EntityManager, lock: AdvisoryLock): Promise<boolean> {
  const [row] = await statement(
    em,
    sql<{ locked: boolean }>`select pg_try_advisory_xact_lock(${lock}) as locked`,
  );
  return row?.locked === true;
}

/**
 * Runs `work` while a transaction on a separate connection holds the lock. So the lock ends with the process.
 * A session lock would not: behind a pooler, the connection to the server outlives the process.
 */
export async function withAdvisoryLock<T>(
  url: string,
  lock: AdvisoryLock,
  work: () => Promise<T>,
): Promise<T> {
  const client = databaseClient(url, { application_name: 'gatehouse lock' });
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query('begin');
    await client.query(`set local lock_timeout = '${LOCK_WAIT}'`);
    await client.query('set local idle_in_transaction_session_timeout = 0');
    await client.query('select pg_advisory_xact_lock($1)', [lock]);
    return await work();
  } finally {
    await client.end();
  }
}
