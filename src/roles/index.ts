export { PermissionTable } from './permission-table.ts';
export { RoleResolver } from './role.resolver.ts';
export { Superusers } from './superuser.ts';
