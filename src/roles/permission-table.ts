import type { EntityManager } from '@mikro-orm/postgresql';
import { EVERY_PERMISSION } from './permissions.ts';
import { Role } from './role.entity.ts';

/**
 * Caches roles and their permissions in memory. Tokens name only roles. So a change of a role changes one row, and
 * takes effect in every process after it has read this small table again.
 */
export class PermissionTable {
  private byRole: ReadonlyMap<string, ReadonlySet<string>> = new Map();

  /** @param known permissions that `*` includes, besides those of the roles */
  constructor(
    private readonly fork: () => EntityManager,
    private readonly known: readonly string[],
  ) {}

  async load(): Promise<void> {
    const roles = await this.fork().find(Role, {});
    this.byRole = new Map(roles.map(({ name, permissions }) => [name, new Set(permissions)]));
  }

  /** All roles with their permissions. */
  get roles(): Iterable<readonly [name: string, permissions: ReadonlySet<string>]> {
    return this.byRole;
  }

  permits(roles: readonly string[], permission: string): boolean {
    return roles.some((role) => {
      const permissions = this.byRole.get(role);
      return permissions?.has(permission) || permissions?.has(EVERY_PERMISSION);
    });
  }

  /** Lists the permissions of these roles together, sorted. `*` is replaced by all permissions. */
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
