export { AdvisoryLock, lockInTransaction, tryLockInTransaction } from './advisory-lock.ts';
export { destroyClient, withDeadline } from './connection-care.ts';
export { connectionRefusal, isDatabaseAway, isDatabaseError, violatedUniqueConstraint } from './failures.ts';
export { databaseReady, Migrations, migrationsReady } from './migrations.ts';
export { holdingDeadline, outsideDeadline, timeLeft, withinDeadline } from './operation-deadline.ts';
export { createOrm, type DatabaseSchema } from './orm.ts';
export { grantRights, type ServingRights } from './rights.ts';
export { preparedStatement, sql, statement } from './statement.ts';
export { afterTransaction, type Outcome } from './transaction-outcome.ts';
