export { keepSuperuser, SUPERUSER } from './last-superuser.ts';
export { PermissionTable } from './permission-table.ts';
export { RolePermission } from './permissions.ts';
export { roleData } from './personal-data.ts';
export { lockPowers, type Powers, powersOf } from './powers.ts';
export { RoleResolver } from './role.resolver.ts';
export { MAX_ROLES_OF_USER, RoleAdministration } from './role-administration.ts';
export { isRoleName } from './role-words.ts';
export { Superusers } from './superuser.ts';
