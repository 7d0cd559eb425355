import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { Forbidden } from '../platform/errors.ts';
import { lockSuperuserRole } from './last-superuser.ts';
import { EVERY_PERMISSION } from './permissions.ts';

/** The permissions of a user by all their roles. */
export class EffectivePermissions {
  constructor(
    readonly userId: string,
    private readonly roles: ReadonlySet<string>,
    private readonly permissions: ReadonlySet<string>,
  ) {}

  get unlimited(): boolean {
    return this.permissions.has(EVERY_PERMISSION);
  }

  has(role: string): boolean {
    return this.roles.has(role);
  }

  covers(permissions: Iterable<string>): boolean {
    return this.unlimited || [...permissions].every((permission) => this.permissions.has(permission));
  }

  /** @throws {Forbidden} */
  require(permission: string, subjectId: string | null = null): void {
    if (!this.covers([permission])) throw new Forbidden(`needs ${permission}`, { subjectId });
  }

  /** Refuses to handle a role that permits more than the user may do. @throws {Forbidden} */
  requireWithin(permissions: Iterable<string>, subjectId: string | null = null): void {
    if (!this.covers(permissions)) {
      throw new Forbidden('the role permits more than the caller may do', { subjectId });
    }
  }

  /** Refuses to act on an account that may do more than the user. @throws {Forbidden} */
  requireAtLeast(other: EffectivePermissions): void {
    if (!this.covers(other.permissions)) {
      throw new Forbidden('the account may do more than the caller', { subjectId: other.userId });
    }
  }
}

/**
 * Reads the permissions of a user who makes a change, in the transaction of the change. They are read from the
 * database, because the token has those of the time when it was issued. Takes the lock under which they cannot change.
 * @throws {Forbidden} the user has lost the permission, or the account was deactivated meanwhile.
 */
export async function lockEffectivePermissions(
  tx: EntityManager,
  userId: string,
  permission: string,
  { subjectId = null }: { subjectId?: string | null } = {},
): Promise<EffectivePermissions> {
  await lockSuperuserRole(tx);
  // A deactivation takes the same lock. A request that waited for it must not undo it, or change anything else.
  const active = await statement(tx, sql`select from users where id = ${userId} and deactivated_by is null`);
  if (active.length === 0)
    throw new Forbidden('the account of the caller is deactivated or deleted', { subjectId });
  const powers = await effectivePermissionsOf(tx, userId);
  powers.require(permission, subjectId);
  return powers;
}

/** Reads permissions for a deactivated account too, because it may be activated again. */
export async function effectivePermissionsOf(
  em: EntityManager,
  userId: string,
): Promise<EffectivePermissions> {
  const rows = await statement(
    em,
    sql<{ name: string; permissions: string[] }>`
      select r.name, r.permissions from role_grant g join role r on r.id = g.role_id where g.user_id = ${userId}`,
  );
  return new EffectivePermissions(
    userId,
    new Set(rows.map(({ name }) => name)),
    new Set(rows.flatMap(({ permissions }) => permissions)),
  );
}
