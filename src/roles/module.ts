import { ALL_RIGHTS, type Module, NO_UPDATE } from '../platform/module-type.ts';
import { composeRoles } from './compose.ts';
import { RolePermission } from './permissions.ts';
import { Role } from './role.entity.ts';
import { RoleResolver } from './role.resolver.ts';
import { RoleGrant } from './role-grant.entity.ts';

/** Roles, and who holds them. */
export const roles = {
  name: 'roles',
  tables: {
    role: { entity: Role, rights: ALL_RIGHTS },
    role_grant: { entity: RoleGrant, rights: NO_UPDATE },
  },
  resolvers: [RoleResolver],
  permissions: [RolePermission],
  compose: composeRoles,
} as const satisfies Module;
