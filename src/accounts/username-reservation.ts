import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { usernameTaken } from './taken.ts';

/** First half of the advisory locks on usernames; the second is a hash of the name. */
const USERNAME_LOCK = 0x6761_6e61;

/**
 * Keeps a name for the transaction that takes it. Names of accounts and of pending registrations are unique together,
 * which no constraint on two tables can hold.
 * @throws {Conflict} somebody has it.
 */
export async function reserveUsername(tx: EntityManager, usernameKey: string): Promise<void> {
  await statement(tx, sql`select pg_advisory_xact_lock(${USERNAME_LOCK}::int, hashtext(${usernameKey}))`);
  await statement(
    tx,
    sql`delete from pending_registration where username_key = ${usernameKey} and expires_at <= now()`,
  );
  const taken = await statement(
    tx,
    sql`select from users where username_key = ${usernameKey}
        union all select from pending_registration where username_key = ${usernameKey}`,
  );
  if (taken.length > 0) throw usernameTaken();
}

/**
 * Keeps many names for the transaction that takes them.
 * @returns those that pending registrations keep; which ones accounts have is for the caller to look up.
 */
export async function reserveUsernames(
  tx: EntityManager,
  usernameKeys: readonly string[],
): Promise<ReadonlySet<string>> {
  const keys = sql`${[...usernameKeys]}::text[]`;
  // In one order, so that two who want the same names do not wait for each other in a circle.
  await statement(
    tx,
    sql`select pg_advisory_xact_lock(${USERNAME_LOCK}::int, hash)
        from (select distinct hashtext(key) as hash from unnest(${keys}) as key order by hash) as hashes`,
  );
  const pending = await statement(
    tx,
    sql<{ username_key: string }>`
      select username_key from pending_registration where username_key = any(${keys}) and expires_at > now()`,
  );
  return new Set(pending.map(({ username_key }) => username_key));
}
