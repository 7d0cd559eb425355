import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { Forbidden } from '../platform/errors.ts';
import { lockSuperuserRole } from './last-superuser.ts';
import { EVERY_PERMISSION } from './permissions.ts';

/** What a user may do. */
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

  /**
   * Nobody handles a role that permits more than they may do themselves.
   * @throws {Forbidden}
   */
  requireWithin(permissions: Iterable<string>, subjectId: string | null = null): void {
    if (!this.covers(permissions)) {
      throw new Forbidden('the role permits more than the caller may do', { subjectId });
    }
  }

  /**
   * Nobody acts on an account that may do more than themselves.
   * @throws {Forbidden}
   */
  requireAtLeast(other: EffectivePermissions): void {
    if (!this.covers(other.permissions)) {
      throw new Forbidden('the account may do more than the caller', { subjectId: other.userId });
    }
  }
}

/**
 * The powers of whoever makes a change, judged in its transaction and from the database: the token says what they
 * were when it was made. Takes the lock under which they stay so.
 * @throws {Forbidden} when the caller has lost the permission, or the use of the account, meanwhile.
 */
export async function lockEffectivePermissions(
  tx: EntityManager,
  userId: string,
  permission: string,
  { subjectId = null }: { subjectId?: string | null } = {},
): Promise<EffectivePermissions> {
  await lockSuperuserRole(tx);
  // A deactivation takes that lock too: who waited behind it must not undo it, or do anything else.
  const active = await statement(tx, sql`select from users where id = ${userId} and deactivated_by is null`);
  if (active.length === 0) throw new Forbidden('the account of the caller is out of use', { subjectId });
  const powers = await effectivePermissionsOf(tx, userId);
  powers.require(permission, subjectId);
  return powers;
}

/** Of a deactivated account too: it may be activated again. */
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
