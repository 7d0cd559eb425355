export { exportUsers } from './user-export.ts';
export { type ImportReport, type InputRecord, UserImport } from './user-import.ts';
export { USER_FIELDS } from './user-record.ts';
