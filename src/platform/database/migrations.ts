import type { MikroORM as AnyORM } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import {
  DatabaseSchema,
  type EntityManager,
  type MigrationObject,
  type MikroORM,
  type Options,
} from '@mikro-orm/postgresql';
import { CannotStart } from '../cannot-start.ts';
import { InvalidSettings } from '../settings.ts';
import { AdvisoryLock, withAdvisoryLock } from './advisory-lock.ts';
import { sql, statement } from './statement.ts';

export const MIGRATIONS_TABLE = 'migration';

export const migrationSettings: NonNullable<Options['migrations']> = {
  tableName: MIGRATIONS_TABLE,
  snapshot: false,
  silent: true,
  transactional: true,
  allOrNothing: true,
  fileName: (timestamp, name) => (name ? `${timestamp}_${name}` : timestamp),
};

/**
 * Leaves the functions of the database out of a new migration. Only migrations know them, so the library would make
 * each of them again in `down`.
 */
export class TableMigrator extends Migrator {
  static override register(orm: AnyORM): void {
    orm.config.registerExtension(
      '@mikro-orm/migrator',
      () => new TableMigrator(orm.em as unknown as EntityManager),
    );
  }

  /** The schema to compare with. The library reads functions only when this is undefined. */
  protected override getSchemaFromSnapshot(): Promise<DatabaseSchema> {
    return DatabaseSchema.create(this.em.getConnection(), this.em.getPlatform(), this.config);
  }
}

export interface MigrationStatus {
  name: string;
  executedAt: Date | null;
}

/** Changes the schema of the database, as the login that owns it, in one process at a time. */
export class Migrations {
  /**
   * @param orm connected as the owner of the tables
   * @param afterwards grants rights under the same lock
   */
  constructor(
    private readonly orm: MikroORM,
    private readonly url: string,
    private readonly afterwards: () => Promise<void>,
  ) {}

  /**
   * Applies the pending migrations.
   * @returns their names.
   */
  up(): Promise<string[]> {
    return this.locked(async () => {
      const applied = await this.orm.migrator.up();
      await this.afterwards();
      return applied.map(({ name }) => name);
    });
  }

  /** The name of the newest applied migration; undefined without one. */
  async newest(): Promise<string | undefined> {
    return (await this.orm.migrator.getExecuted()).at(-1)?.name;
  }

  /**
   * Reverts the newest migration.
   * @param expected the newest migration when the operator confirmed
   * @returns its name, or nothing without a migration
   * @throws {CannotStart} when another process has applied or reverted a migration since
   */
  down(expected?: string): Promise<string[]> {
    return this.locked(async () => {
      if (expected !== undefined && (await this.newest()) !== expected)
        throw new CannotStart(`${expected} is no longer the newest migration. Nothing was reverted.`);
      return (await this.orm.migrator.down()).map(({ name }) => name);
    });
  }

  async status(): Promise<MigrationStatus[]> {
    const executed = await this.orm.migrator.getExecuted();
    const pending = await this.orm.migrator.getPending();
    return [
      ...executed.map((row) => ({ name: row.name, executedAt: row.executed_at })),
      ...pending.map(({ name }) => ({ name, executedAt: null })),
    ];
  }

  /**
   * Marks the pending migrations as applied without running them, for a database whose tables were made by other means.
   * @throws {CannotStart} when its tables differ from those of the migrations; nothing is marked.
   */
  stamp(): Promise<string[]> {
    return this.locked(async () => {
      const difference = await this.orm.schema.getUpdateSchemaSQL({ wrap: false });
      if (difference !== '')
        throw new CannotStart(
          'The database does not have the tables that the migrations of this release make, so nothing was stamped. ' +
            'Restore the dump with its table "migration", or stamp it with the release that it came from.',
        );
      const pending = await this.orm.migrator.getPending();
      for (const { name } of pending) await this.orm.migrator.logMigration(name);
      await this.afterwards();
      return pending.map(({ name }) => name);
    });
  }

  /**
   * Writes a migration with the difference between the entities and this database.
   * @param into folder for the TypeScript file
   * @returns the file's name, or null when there is no difference
   */
  async create(name: string, into: string): Promise<string | null> {
    const { fileName, diff } = await this.orm.migrator.create(into, false, false, name);
    return diff.up.length > 0 ? fileName : null;
  }

  private locked<T>(work: () => Promise<T>): Promise<T> {
    return withAdvisoryLock(this.url, AdvisoryLock.MIGRATIONS, work);
  }
}

/** @throws when the database cannot serve this build now. */
export async function databaseReady(em: EntityManager, expected: readonly MigrationObject[]): Promise<void> {
  await migrationsReady(em, expected);
  const [row] = await statement(
    em,
    sql<{ only: string }>`select current_setting('transaction_read_only') as only`,
  );
  if (row?.only !== 'off') throw new Error('the database is read-only: it was demoted, or its disk is full');
}

/** Whether the database has a table. */
export async function hasTable(em: EntityManager, name: string): Promise<boolean> {
  const [found] = await statement(
    em,
    sql<{ exists: boolean }>`select to_regclass(${name}) is not null as exists`,
  );
  return found?.exists === true;
}

/** The migrations of a build against those of the database, oldest first. */
export interface MigrationComparison {
  /** Those that the database lacks. */
  readonly missing: readonly string[];
  /** Those that this build does not know: a newer release has migrated. */
  readonly unknown: readonly string[];
}

/** Runs as the serving login, and changes nothing. */
export async function compareMigrations(
  em: EntityManager,
  expected: readonly MigrationObject[],
): Promise<MigrationComparison> {
  const rows = (await hasTable(em, MIGRATIONS_TABLE))
    ? await statement(em, sql<{ name: string }>`select name from ${sql.table(MIGRATIONS_TABLE)} order by id`)
    : [];
  const applied = rows.map(({ name }) => name);
  const own = expected.map(({ name }) => name);
  return {
    missing: own.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !own.includes(name)),
  };
}

/**
 * Resolves when the database has every migration of this build. Runs as the serving login. Further migrations are fine:
 * a newer release may have migrated already.
 * @throws {InvalidSettings} with the first missing migration.
 */
export async function migrationsReady(
  em: EntityManager,
  expected: readonly MigrationObject[],
): Promise<void> {
  const { missing } = await compareMigrations(em, expected);
  if (missing.length > 0) {
    throw new InvalidSettings([
      `the database lacks ${missing.length} migration(s), ${missing[0]} first: run "gatehouse migrate up", or set MIGRATE_ON_START=true`,
    ]);
  }
}
