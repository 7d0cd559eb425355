import { advisoryLock, notify, pooler } from './between-processes.ts';
import { migratingLogin, migrations } from './migrations.ts';
import { excess, rights } from './rights.ts';
import { clock, connection, connections, durability, writable } from './server.ts';
import { horizon, oldTransactions, replicationSlots } from './transactions.ts';

export { oldTransactions };

/** What the doctor checks of PostgreSQL. The connection comes first, because the others need it. */
export const DATABASE_CHECKS = [
  connection,
  writable,
  migrations,
  migratingLogin,
  rights,
  excess,
  advisoryLock,
  pooler,
  notify,
  horizon,
  oldTransactions(),
  replicationSlots,
  durability,
  connections,
  clock,
] as const;
