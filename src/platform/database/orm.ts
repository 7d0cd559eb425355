import { ReflectMetadataProvider } from '@mikro-orm/decorators/legacy';
import { type EntityClass, type MigrationObject, MikroORM } from '@mikro-orm/postgresql';
import type { Pool } from 'pg';
import { AfterCommit } from './after-commit.ts';
import { careForPool, type SessionSettings } from './connection-care.ts';
import { migrationSettings, TableMigrator } from './migrations.ts';
import { connectorTo } from './primary.ts';

/** Milliseconds. A database that does not answer within them is away, and the caller gets SERVICE_UNAVAILABLE. */
const CONNECT_TIMEOUT = 3_000;
const STATEMENT_TIMEOUT = 5_000;
const LOCK_TIMEOUT = 3_000;

const SERVING_SETTINGS: SessionSettings = {
  statement_timeout: STATEMENT_TIMEOUT,
  lock_timeout: LOCK_TIMEOUT,
  idle_in_transaction_session_timeout: STATEMENT_TIMEOUT,
  // In seconds, except the count. The server drops a connection within a minute after the network lost it. By default
  // it keeps such a connection for two hours. Then each network failure would occupy another 20 of `max_connections`
  // for every process.
  tcp_keepalives_idle: 30,
  tcp_keepalives_interval: 10,
  tcp_keepalives_count: 3,
};

/** The entities of the database, and the migrations that make their tables. */
export interface DatabaseSchema {
  readonly entities: readonly EntityClass<object>[];
  /**
   * Oldest first. They are listed instead of searched for, since a build folder may contain files of another branch.
   */
  readonly migrations: readonly MigrationObject[];
}

export interface DatabaseOptions {
  url: string;
  schema: DatabaseSchema;
  /** Largest number of connections. */
  poolSize: number;
  /** `none` removes the timeouts, for migrations. */
  timeouts?: 'serving' | 'none';
  /** Whether `afterCommit` is used; otherwise the ORM is spared the events. */
  runsAfterCommit?: boolean;
}

export function createOrm({
  url,
  schema,
  poolSize,
  timeouts = 'serving',
  runsAfterCommit = false,
}: DatabaseOptions): MikroORM {
  const connector = connectorTo(url);
  return new MikroORM({
    clientUrl: connector.connectionString,
    entities: [...schema.entities],
    metadataProvider: ReflectMetadataProvider,
    extensions: [TableMigrator],
    subscribers: runsAfterCommit ? [new AfterCommit()] : [],
    migrations: { ...migrationSettings, migrationsList: [...schema.migrations] },
    // Migrations make the functions; entities do not know them.
    schemaGenerator: { ignoreRoutines: true },
    pool: { min: 0, max: poolSize },
    forceUtcTimezone: true,
    debug: false,
    // Silent: log messages quote statements, which contain values.
    logger: () => {},
    driverOptions: {
      // MikroORM takes only host, login and database from `clientUrl`. pg reads the rest, such as sslmode.
      ...connector,
      application_name: 'gatehouse',
      connectionTimeoutMillis: CONNECT_TIMEOUT,
      keepAlive: true,
      ...(timeouts === 'serving' && {
        onPoolCreated: (pool: Pool) => careForPool(pool, SERVING_SETTINGS),
      }),
    },
  });
}
