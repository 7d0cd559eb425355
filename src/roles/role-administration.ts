import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement, violatedUniqueConstraint } from '../platform/database/index.ts';
import { Conflict, Forbidden, NotFound } from '../platform/errors.ts';
import { isId } from '../platform/id.ts';
import { readFields } from '../platform/input.ts';
import type { CallerRequest } from '../platform/request/index.ts';
import type { AnnouncedTransaction, Revocations } from '../sessions/index.ts';
import { type EffectivePermissions, lockEffectivePermissions } from './effective-permissions.ts';
import { SUPERUSER } from './last-superuser.ts';
import { RolePermission } from './permissions.ts';
import { Role } from './role.entity.ts';
import { parseDescription, parsePermissions, parseRoleName } from './role-validation.ts';

/** Maximum number of holders of a role in one transaction: measured, less than a second on a busy machine. */
const MANY = 5_000;

/** Unique constraints on the name of a role: as written, and without regard to case. */
const NAME_TAKEN: ReadonlySet<string | undefined> = new Set(['role_name_unique', 'role_name_case_unique']);

export interface NewRole {
  name: string;
  description?: string | null | undefined;
  permissions: readonly string[];
}

export interface RoleChange {
  id: string;
  /** Unchanged when absent or null. */
  name?: string | null | undefined;
  /** Unchanged when absent; removed when null or empty. */
  description?: string | null | undefined;
  /** Unchanged when absent or null. */
  permissions?: readonly string[] | null | undefined;
}

/**
 * Creates, changes and deletes roles. Users cannot raise their own permissions. Only superusers may handle roles beyond
 * their own permissions, or change a role that they have. All changes take one lock first, so that no check uses data
 * that a concurrent change is about to replace.
 */
export class RoleAdministration {
  constructor(
    private readonly revocations: Revocations,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Creates a role.
   * @throws {Conflict} the name is taken, without regard to case.
   * @throws {Forbidden} the role would permit more than the caller may do.
   */
  async create(request: CallerRequest, input: NewRole): Promise<Role> {
    const { em, caller, source } = request;
    const { name, description, permissions } = readFields('input', {
      name: () => parseRoleName(input.name),
      description: () => parseDescription(input.description),
      permissions: () => parsePermissions(input.permissions),
    });
    return this.change(em, async (tx) => {
      const powers = await lockEffectivePermissions(tx, caller.userId, RolePermission.MANAGE);
      powers.requireWithin(permissions);
      requireFree(name);
      const role = tx.create(Role, { name, description, permissions });
      await tx.persist(role).flush();
      await this.revocations.rolesChanged(tx);
      await this.audit.record(tx, source, {
        action: 'role.created',
        actorId: caller.userId,
        subjectId: null,
        details: { role: name, permissions },
      });
      return role;
    });
  }

  /**
   * Changes a role. New permissions change one row, however many users have the role. A new name voids the access
   * tokens that carry the previous one.
   * @throws {NotFound} @throws {Conflict} the name is taken; superuser keeps name and permissions.
   * @throws {Forbidden} the role permits more than the caller may do, before or after the change; or the caller has it.
   */
  async update(request: CallerRequest, input: RoleChange): Promise<Role> {
    const { em, caller, source } = request;
    const { name, description, permissions } = readFields('input', {
      name: () => (input.name == null ? undefined : parseRoleName(input.name)),
      description: () => (input.description === undefined ? undefined : parseDescription(input.description)),
      permissions: () => (input.permissions == null ? undefined : parsePermissions(input.permissions)),
    });
    return this.change(em, async (tx) => {
      const powers = await lockEffectivePermissions(tx, caller.userId, RolePermission.MANAGE);
      const role = await findById(tx, input.id);
      requireMayChange(powers, role);
      powers.requireWithin(permissions ?? []);
      const before = { name: role.name, permissions: role.permissions };
      const renamed = name !== undefined && name !== before.name;
      if (role.name === SUPERUSER && (renamed || permissions !== undefined)) {
        throw new Conflict('The role superuser keeps its name and its permissions.');
      }
      if (renamed) {
        requireFree(name);
        const holders = await someHolders(tx, role.id);
        if (holders.length === MANY) {
          throw new Conflict(
            `A role with ${MANY} or more holders cannot be renamed. Create a new role instead.`,
          );
        }
        await this.revocations.raiseEpochs(tx, holders);
      }
      tx.assign(role, {
        ...(renamed && { name }),
        ...(description !== undefined && { description }),
        ...(permissions !== undefined && { permissions }),
      });
      await tx.flush();
      await this.revocations.rolesChanged(tx);
      await this.audit.record(tx, source, {
        action: 'role.updated',
        actorId: caller.userId,
        subjectId: null,
        details: {
          role: role.name,
          ...(renamed && { formerly: before.name }),
          ...(permissions !== undefined && {
            added: permissions.filter((permission) => !before.permissions.includes(permission)),
            removed: before.permissions.filter((permission) => !permissions.includes(permission)),
          }),
        },
      });
      return role;
    });
  }

  /**
   * Deletes a role and revokes it from its holders, some thousand in each transaction, so that other requests do not
   * wait long. If it fails midway, the role keeps the remaining holders, and a repeated call continues.
   * @throws {NotFound} @throws {Conflict} superuser cannot be deleted.
   * @throws {Forbidden} the role permits more than the caller may do, or the caller has it.
   */
  async delete(request: CallerRequest, roleId: string): Promise<void> {
    const { em, caller, source } = request;
    while (!(await this.deleteSome({ em: em.fork(), caller, source }, roleId)));
  }

  /** @returns true when the role is deleted. */
  private deleteSome(request: CallerRequest, roleId: string): Promise<boolean> {
    const { em, caller, source } = request;
    return this.change(em, async (tx) => {
      const powers = await lockEffectivePermissions(tx, caller.userId, RolePermission.MANAGE);
      const role = await findById(tx, roleId);
      requireMayChange(powers, role);
      if (role.name === SUPERUSER) throw new Conflict('The role superuser cannot be deleted.');
      const holders = await someHolders(tx, role.id);
      await statement(
        tx,
        sql`delete from role_grant where role_id = ${role.id} and user_id = any(${holders}::uuid[])`,
      );
      await this.revocations.raiseEpochs(tx, holders);
      const isLast = holders.length < MANY;
      if (isLast) {
        await tx.remove(role).flush();
        await this.revocations.rolesChanged(tx);
      }
      await this.audit.record(tx, source, {
        action: isLast ? 'role.deleted' : 'role.revoked',
        actorId: caller.userId,
        subjectId: null,
        details: { role: role.name, permissions: role.permissions, holders: holders.length },
      });
      return isLast;
    });
  }

  private async change<T>(em: EntityManager, work: (tx: AnnouncedTransaction) => Promise<T>): Promise<T> {
    try {
      return await this.revocations.transactional(em, work);
    } catch (error) {
      if (NAME_TAKEN.has(violatedUniqueConstraint(error))) throw nameTaken();
      throw error;
    }
  }
}

async function someHolders(tx: EntityManager, roleId: string): Promise<string[]> {
  const rows = await statement(
    tx,
    sql<{
      user_id: string;
    }>`select user_id from role_grant where role_id = ${roleId} order by user_id limit ${MANY}`,
  );
  return rows.map(({ user_id }) => user_id);
}

async function findById(tx: EntityManager, id: string): Promise<Role> {
  const role = isId(id) ? await tx.findOne(Role, { id }) : null;
  if (!role) throw new NotFound();
  return role;
}

function requireMayChange(powers: EffectivePermissions, role: Role): void {
  powers.requireWithin(role.permissions);
  if (powers.has(role.name) && !powers.unlimited) throw new Forbidden('the caller has the role');
}

/** Refuses the name superuser, even before a superuser exists: the holder of such a role would become one. */
function requireFree(name: string): void {
  if (name.toLowerCase() === SUPERUSER) throw nameTaken();
}

const nameTaken = (): Conflict =>
  new Conflict('This name is taken.', [{ field: 'input.name', message: 'This name is taken.' }]);
