import type { EntityManager } from '@mikro-orm/postgresql';
import { auditAccountAccess } from '../accounts/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { Conflict, Forbidden, NotFound } from '../platform/errors.ts';
import { isId } from '../platform/id.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import type { Caller, CallerRequest, RequestSource } from '../platform/request/index.ts';
import type { Revocations } from '../sessions/index.ts';
import { type EffectivePermissions, lockEffectivePermissions } from './effective-permissions.ts';
import { keepSuperuser, SUPERUSER } from './last-superuser.ts';
import { RolePermission } from './permissions.ts';
import { Role } from './role.entity.ts';
import { isRoleName } from './role-validation.ts';

/** Roles of one user. Every access token names them, and the length of a token is limited. */
export const MAX_ROLES_OF_USER = 20;

/** The user whose role is granted or revoked, and the name of the role. */
export interface Grant {
  userId: string;
  role: string;
}

/**
 * Grants and revokes roles. Users cannot raise their own permissions. Only superusers may grant roles beyond their own
 * permissions, or grant roles to themselves. It takes the same lock as RoleAdministration.
 */
export class RoleGrants {
  constructor(
    private readonly revocations: Revocations,
    private readonly tokens: OneTimeTokens,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Grants a role. Voids the access tokens of the user: the next refresh issues one with the role. Also voids a change
   * of e-mail address that waits for its link. If the user has the role already, it only audits a read, because the
   * reply shows the account.
   * @throws {NotFound} no such user, or no such role. @throws {Conflict} the user would have too many roles.
   * @throws {Forbidden} the role permits more than the caller may do; or the user is the caller.
   */
  async grant(request: CallerRequest, { userId, role: name }: Grant): Promise<void> {
    const { em, caller, source } = request;
    await this.revocations.transactional(em, async (tx) => {
      const { powers, role } = await this.begin(tx, caller, { userId, role: name });
      if (userId === caller.userId && !powers.unlimited) {
        throw new Forbidden('the caller grants a role to themselves', { subjectId: userId });
      }
      const access = { actorId: caller.userId, userId };
      if (!(await grantTo(tx, userId, role.id))) return auditAccountAccess(tx, this.audit, access, source);
      // An administrator may have requested the change while they could still act on this account. Its link would give
      // them the account, now with the new role.
      await this.tokens.void(tx, userId, [TokenPurpose.CHANGE_EMAIL]);
      await this.revocations.raiseEpoch(tx, userId);
      await this.audit.record(tx, source, {
        action: 'role.granted',
        actorId: caller.userId,
        subjectId: userId,
        details: { role: name },
      });
    });
  }

  /**
   * Revokes a role and voids the access tokens of the user. If the user does not have the role, it only audits a read.
   * @throws {NotFound} no such user, or no such role. @throws {Conflict} for the last active superuser.
   * @throws {Forbidden} the role permits more than the caller may do.
   */
  async revoke(request: CallerRequest, { userId, role: name }: Grant): Promise<void> {
    const { em, caller, source } = request;
    await this.revocations.transactional(em, async (tx) => {
      const { role } = await this.begin(tx, caller, { userId, role: name });
      if (name === SUPERUSER) await keepSuperuser(tx, userId);
      const revoked = await statement(
        tx,
        sql`delete from role_grant where user_id = ${userId} and role_id = ${role.id} returning user_id`,
      );
      const access = { actorId: caller.userId, userId };
      if (revoked.length === 0) return auditAccountAccess(tx, this.audit, access, source);
      await this.revocations.raiseEpoch(tx, userId);
      await this.audit.record(tx, source, {
        action: 'role.revoked',
        actorId: caller.userId,
        subjectId: userId,
        details: { role: name },
      });
    });
  }

  /**
   * Grants the first roles of an account in the transaction that creates it. The account has no tokens yet, so none are
   * voided.
   * @param powers of the administrator, locked
   * @throws {BadUserInput} a role does not exist, or there are too many.
   * @throws {Forbidden} the administrator may not grant roles, or a role permits more than they may do.
   */
  async grantToNew(
    tx: EntityManager,
    powers: EffectivePermissions,
    { userId, roles: names }: { userId: string; roles: readonly string[] },
    source: RequestSource,
  ): Promise<void> {
    if (names.length === 0) return;
    powers.require(RolePermission.GRANT);
    const wanted = [...new Set(names)];
    const roles = wanted.every(isRoleName) ? await tx.find(Role, { name: { $in: wanted } }) : [];
    readFields('input', { roles: () => requireGrantable(wanted, roles) });
    for (const role of roles) {
      powers.requireWithin(role.permissions);
      await grantTo(tx, userId, role.id);
      await this.audit.record(tx, source, {
        action: 'role.granted',
        actorId: powers.userId,
        subjectId: userId,
        details: { role: role.name },
      });
    }
  }

  /**
   * The common part of grant and revoke: takes the lock, finds user and role, and checks that the role is within the
   * caller's permissions.
   */
  private async begin(
    tx: EntityManager,
    caller: Caller,
    { userId, role: name }: Grant,
  ): Promise<{ powers: EffectivePermissions; role: Role }> {
    const subjectId = isId(userId) ? userId : null;
    const powers = await lockEffectivePermissions(tx, caller.userId, RolePermission.GRANT, { subjectId });
    const role = isRoleName(name) ? await tx.findOne(Role, { name }) : null;
    if (!role || !(await accountExists(tx, userId))) throw new NotFound();
    powers.requireWithin(role.permissions, userId);
    return { powers, role };
  }
}

/** @throws {InvalidValue} */
function requireGrantable(wanted: readonly string[], found: readonly Role[]): void {
  if (found.length < wanted.length) throw new InvalidValue('At least one of these roles does not exist.');
  if (wanted.length > MAX_ROLES_OF_USER) {
    throw new InvalidValue(`An account has at most ${MAX_ROLES_OF_USER} roles.`);
  }
}

/** @returns false when the user has the role already. @throws {Conflict} the user would have too many roles. */
async function grantTo(tx: EntityManager, userId: string, roleId: string): Promise<boolean> {
  const granted = await statement(
    tx,
    sql`insert into role_grant (user_id, role_id) values (${userId}, ${roleId})
        on conflict do nothing returning user_id`,
  );
  if (granted.length === 0) return false;
  const roles = await statement(tx, sql`select from role_grant where user_id = ${userId}`);
  if (roles.length > MAX_ROLES_OF_USER)
    throw new Conflict(`An account has at most ${MAX_ROLES_OF_USER} roles.`);
  return true;
}

async function accountExists(tx: EntityManager, userId: string): Promise<boolean> {
  return isId(userId) && (await statement(tx, sql`select from users where id = ${userId}`)).length > 0;
}
