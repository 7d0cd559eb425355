import type { EntityManager } from '@mikro-orm/postgresql';
import { EVERY_PERMISSION } from './permissions.ts';
import { Role } from './role.entity.ts';

/**
 * Roles and what they permit, held in memory: tokens name roles only, so a change of a role touches one row and
 * bites in every process once it has reread this small table.
 */
export class PermissionTable {
  private byRole: ReadonlyMap<string, ReadonlySet<string>> = new Map();

  /** @param known words that `*` stands for, beside those that roles carry */
  constructor(
    private readonly fork: () => EntityManager,
    private readonly known: readonly string[],
  ) {}

  async load(): Promise<void> {
    const roles = await this.fork().find(Role, {});
    this.byRole = new Map(roles.map(({ name, permissions }) => [name, new Set(permissions)]));
  }

  /** The roles that there are, with their permissions. */
  get roles(): Iterable<readonly [name: string, permissions: ReadonlySet<string>]> {
    return this.byRole;
  }

  permits(roles: readonly string[], permission: string): boolean {
    return roles.some((role) => {
      const permissions = this.byRole.get(role);
      return permissions?.has(permission) || permissions?.has(EVERY_PERMISSION);
    });
  }

  /** All permissions of the roles together, sorted; `*` is spelled out. */
  permissionsOf(roles: readonly string[]): string[] {
    const granted = new Set(roles.flatMap((role) => [...(this.byRole.get(role) ?? [])]));
    if (granted.delete(EVERY_PERMISSION)) {
      for (const permission of this.known) granted.add(permission);
      for (const permissions of this.byRole.values())
        for (const permission of permissions) granted.add(permission);
      granted.delete(EVERY_PERMISSION);
    }
    return [...granted].sort();
  }
}
