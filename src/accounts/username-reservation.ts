import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import type { Chore } from '../platform/housekeeping/housekeeping.ts';
import { usernameTaken } from './unique-conflicts.ts';
import type { Username } from './username.ts';
import { usernameSkeletons } from './username-skeleton.ts';

/** First half of the keys of advisory locks on usernames. The second half is a hash of a key or of a skeleton. */
const USERNAME_LOCK = 0x6761_6e61;

/** The forms of a username by which it is reserved. */
type Name = Pick<Username, 'key' | 'skeletons'>;

/**
 * Reserves a username, and all that look like it, for the transaction that takes it. Usernames are unique over accounts
 * and pending registrations together. No constraint spans two tables, so advisory locks ensure it.
 * @param except the account that changes its username: its former one does not conflict
 * @throws {Conflict} the username, or one that looks like it, is taken.
 */
export async function reserveUsername(
  tx: EntityManager,
  name: Name,
  { except = null }: { except?: string | null } = {},
): Promise<void> {
  await lock(tx, [name]);
  const { key, skeletons } = name;
  const looksLikeIt = sql`(username_key = ${key} or username_skeletons && ${skeletons}::text[])`;
  await statement(tx, sql`delete from pending_registration where ${looksLikeIt} and expires_at <= now()`);
  const taken = await statement(
    tx,
    sql`select from users where ${looksLikeIt} and id is distinct from ${except}::uuid
        union all select from pending_registration where ${looksLikeIt}`,
  );
  if (taken.length > 0) throw usernameTaken();
}

/** Keys and skeletons of usernames that are taken. */
export interface TakenNames {
  readonly keys: ReadonlySet<string>;
  readonly skeletons: ReadonlySet<string>;
}

/**
 * Reserves many usernames for the transaction that takes them.
 * @returns the keys of pending registrations, and the skeletons of pending registrations and accounts. The caller looks
 *   up the keys of accounts.
 */
export async function reserveUsernames(tx: EntityManager, names: readonly Name[]): Promise<TakenNames> {
  await lock(tx, names);
  const keys = sql`${names.map(({ key }) => key)}::text[]`;
  const skeletons = sql`${names.flatMap((name) => name.skeletons)}::text[]`;
  const pending = await statement(
    tx,
    sql<{ username_key: string; username_skeletons: string[] | null }>`
      select username_key, username_skeletons from pending_registration
      where (username_key = any(${keys}) or username_skeletons && ${skeletons}) and expires_at > now()`,
  );
  const accounts = await statement(
    tx,
    sql<{ username_skeletons: string[] }>`
      select username_skeletons from users where username_skeletons && ${skeletons}`,
  );
  return {
    keys: new Set(pending.map(({ username_key }) => username_key)),
    skeletons: new Set([...pending, ...accounts].flatMap((row) => row.username_skeletons ?? [])),
  };
}

/**
 * Takes the locks in one order, because any other order can deadlock. Keys are locked too, because the previous release
 * locks only them.
 */
async function lock(tx: EntityManager, names: readonly Name[]): Promise<void> {
  const texts = sql`${names.flatMap(({ key, skeletons }) => [key, ...skeletons])}::text[]`;
  await statement(
    tx,
    sql`select pg_advisory_xact_lock(${USERNAME_LOCK}::int, hash)
        from (select distinct hashtext(text) as hash from unnest(${texts}) as text order by hash) as hashes`,
  );
}

/** Maximum number of rows in one transaction. */
const BATCH = 1_000;

/**
 * Writes the missing skeletons of accounts that an earlier release made. Runs at the start, before the process serves.
 * It skips accounts that another transaction has locked; `missingUsernameSkeletons` writes those later.
 * @returns the number of accounts that it wrote.
 */
export async function fillUsernameSkeletons(fork: () => EntityManager): Promise<number> {
  for (let total = 0; ; ) {
    const filled = await fork().transactional((tx) => fillBatch(tx, BATCH));
    total += filled;
    if (filled < BATCH) return total;
  }
}

/** Writes missing skeletons while the process serves, because processes of an earlier release may serve beside it. */
export const missingUsernameSkeletons: Chore = { name: 'missing skeletons of usernames', sweep: fillBatch };

async function fillBatch(tx: EntityManager, limit: number): Promise<number> {
  const accounts = await statement(
    tx,
    sql<{ id: string; username: string; username_key: string }>`
      select id, username, username_key from users where username_skeletons is null limit ${limit}
      for no key update skip locked`,
  );
  const filled = accounts.map(({ id, username, username_key }) => ({
    id,
    skeletons: usernameSkeletons(username, username_key),
  }));
  await statement(
    tx,
    sql`update users set username_skeletons = array(select jsonb_array_elements_text(filled.skeletons))
        from jsonb_to_recordset(${JSON.stringify(filled)}::jsonb) as filled(id uuid, skeletons jsonb)
        where users.id = filled.id`,
  );
  return accounts.length;
}
