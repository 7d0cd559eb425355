export { AdvisoryLock, lockInTransaction } from './advisory-lock.ts';
export { destroyClient, withDeadline } from './connection-care.ts';
export { connectionRefusal, isDatabaseAway, isDatabaseError, violatedUniqueConstraint } from './failures.ts';
export { type MigrationStatus, Migrations, migrationsReady } from './migrations.ts';
export { createOrm, type DatabaseOptions, type DatabaseSchema } from './orm.ts';
export { grantRights, type TableRights } from './rights.ts';
export { sql, statement } from './statement.ts';
