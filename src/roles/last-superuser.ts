import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';

/** The role that holds every permission. It cannot be renamed, changed or deleted. */
export const SUPERUSER = 'superuser';

/**
 * Locks the row of the role `superuser` until the transaction ends. Every change of roles, permissions or grants takes
 * this lock first. So these changes run one after the other, and what is read under the lock stays true.
 */
export async function lockSuperuserRole(tx: EntityManager): Promise<void> {
  // Not FOR UPDATE, which would also wait for every concurrent insert of a grant (its foreign key).
  await statement(tx, sql`select from role where name = ${SUPERUSER} for no key update`);
}

/**
 * Refuses to remove the last active superuser. Call it first in every transaction that could do so: revocation,
 * deactivation, deletion.
 * @throws {Conflict} the user is the last active superuser.
 */
export async function keepSuperuser(tx: EntityManager, userId: string): Promise<void> {
  await lockSuperuserRole(tx);
  // Runs as a statement of its own, so that its snapshot is taken after the lock.
  const active = await statement(
    tx,
    sql<{ is_user: boolean }>`
      select u.id = ${userId} as is_user
      from role r join role_grant g on g.role_id = r.id join users u on u.id = g.user_id
      where r.name = ${SUPERUSER} and u.deactivated_by is null
      order by u.id = ${userId} desc limit 2`,
  );
  const [only, another] = active;
  if (only?.is_user && !another)
    throw new Conflict('This is the last active superuser. Make another superuser first.');
}
