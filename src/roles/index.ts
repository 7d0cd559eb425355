export type { RoleServices } from './compose.ts';
export {
  type EffectivePermissions,
  effectivePermissionsOf,
  lockEffectivePermissions,
} from './effective-permissions.ts';
export { keepSuperuser, SUPERUSER } from './last-superuser.ts';
export { PermissionTable } from './permission-table.ts';
export { RolePermission } from './permissions.ts';
export { roleData } from './personal-data.ts';
export { RoleResolver } from './role.resolver.ts';
export { RoleAdministration } from './role-administration.ts';
export { MAX_ROLES_OF_USER, RoleGrants } from './role-grants.ts';
export { roleHints } from './role-hints.ts';
export { isRoleName } from './role-validation.ts';
export { Superusers } from './superuser.ts';
