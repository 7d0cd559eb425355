export { AdministrationResolver } from './administration.resolver.ts';
export { SessionPermission, UserPermission } from './permissions.ts';
export { UserAdministration } from './user-administration.ts';
export { UserDirectory } from './user-directory.ts';
