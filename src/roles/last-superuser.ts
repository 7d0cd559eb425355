import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';

/** Holds every permission; cannot be renamed, stripped or deleted. */
export const SUPERUSER = 'superuser';

/**
 * Locks the row of the role `superuser` until the transaction ends. Every change of who may do what takes this lock
 * before any other: such changes happen one after the other, and what is read after it stays true.
 */
export async function lockSuperuserRole(tx: EntityManager): Promise<void> {
  // Not FOR UPDATE, which would also wait for every grant that is being written (its foreign key).
  await statement(tx, sql`select from role where name = ${SUPERUSER} for no key update`);
}

/**
 * Call it first in every transaction that could take a superuser away: revocation, deactivation, deletion.
 * @throws {Conflict} when the user is the last active superuser.
 */
export async function keepSuperuser(tx: EntityManager, userId: string): Promise<void> {
  await lockSuperuserRole(tx);
  // A statement of its own: its snapshot is taken once the lock is held.
  const active = await statement(
    tx,
    sql<{ is_user: boolean }>`
      select u.id = ${userId} as is_user
      from role r join role_grant g on g.role_id = r.id join users u on u.id = g.user_id
      where r.name = ${SUPERUSER} and u.deactivated_by is null
      order by u.id = ${userId} desc limit 2`,
  );
  const [only, another] = active;
  if (only?.is_user && !another) throw new Conflict('The last active superuser must remain.');
}
