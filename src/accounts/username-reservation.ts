import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';

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

export const usernameTaken = (): Conflict =>
  new Conflict('This username is taken.', [{ field: 'input.username', message: 'This username is taken.' }]);
