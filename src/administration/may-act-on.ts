import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { BadUserInput, NotFound } from '../platform/errors.ts';
import { isId } from '../platform/id.ts';
import type { Caller } from '../platform/request/index.ts';
import {
  type EffectivePermissions,
  effectivePermissionsOf,
  lockEffectivePermissions,
} from '../roles/index.ts';

/**
 * Checks that the caller may act on an account: the caller needs the permission, and every permission of the account.
 * Call it first in the transaction of the act. It takes the lock under which the roles of caller and account cannot
 * change.
 * @returns the permissions of the caller.
 * @throws {NotFound} no such account. @throws {Forbidden}
 */
export async function requireMayActOn(
  tx: EntityManager,
  caller: Caller,
  userId: string,
  permission: string,
): Promise<EffectivePermissions> {
  const powers = await lockEffectivePermissions(tx, caller.userId, permission, {
    subjectId: isId(userId) ? userId : null,
  });
  const exists =
    isId(userId) && (await statement(tx, sql`select from users where id = ${userId}`)).length > 0;
  if (!exists) throw new NotFound();
  powers.requireAtLeast(await effectivePermissionsOf(tx, userId));
  return powers;
}

/**
 * Refuses an act on the caller's own account. Without this check, the caller could bypass the proof that the operation
 * for owners needs. A thief with a copied session must not do as an administrator what that session may not do as the
 * owner.
 * @param instead what to do, as a sentence
 * @throws {BadUserInput}
 */
export function refuseOneself(caller: Caller, userId: string, field: string, instead: string): void {
  if (caller.userId !== userId) return;
  throw new BadUserInput([{ field, message: `This is your own account. ${instead}` }]);
}
