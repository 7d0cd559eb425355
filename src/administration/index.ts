export { AdministrationResolver } from './administration.resolver.ts';
export { FactorPermission, SessionPermission, UserPermission } from './permissions.ts';
export { UserAdministration } from './user-administration.ts';
export { UserCreation } from './user-creation.ts';
export { UserDirectory } from './user-directory.ts';
export { exportUsers } from './user-export.ts';
export { type ImportReport, type InputRecord, UserImport } from './user-import.ts';
export { USER_FIELDS } from './user-record.ts';
export { UserUpdate } from './user-update.ts';
