export type { RoleServices } from './compose.ts';
export {
  type EffectivePermissions,
  effectivePermissionsOf,
  lockEffectivePermissions,
} from './effective-permissions.ts';
export { keepSuperuser, SUPERUSER } from './last-superuser.ts';
export { MAX_ROLES_OF_USER, RoleGrants } from './role-grants.ts';
export { isRoleName } from './role-validation.ts';
export { Superusers } from './superuser.ts';
