import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { withMigrations } from '../../../src/composition/index.ts';
import type { Foundation } from '../../../src/foundation.ts';
import { SCHEMA, SERVING_RIGHTS } from '../../../src/modules.ts';
import { CannotStart } from '../../../src/platform/cannot-start.ts';
import { createOrm, type Migrations, migrationsReady } from '../../../src/platform/database/index.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { race } from '../../support/race.ts';

let database: TestDatabase;
afterEach(() => database.drop());

const foundation = (): Foundation =>
  ({ ownerUrl: database.ownerUrl, servingUrl: database.servingUrl }) as Foundation;
const tables = async () =>
  (await database.query<{ tablename: string }>(`select tablename from pg_tables where schemaname = 'public'`))
    .map(({ tablename }) => tablename)
    .sort();

describe('migrations', () => {
  it('bring an empty database to exactly the state that the entities declare', async () => {
    database = await createTestDatabase({ migrated: false });
    await withMigrations(foundation(), async (migrations, orm) => {
      await migrations.up();
      expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
    });
  });

  it('are applied once when they are started twenty times at once', async () => {
    database = await createTestDatabase({ migrated: false });
    const applied = await race(20, () => withMigrations(foundation(), (migrations) => migrations.up()));
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
  });

  it('can all be reverted and applied again', async () => {
    database = await createTestDatabase();
    await withMigrations(foundation(), async (migrations) => {
      const before = await tables();
      while ((await migrations.down()).length > 0);
      expect(await tables()).toEqual(['migration']);
      await migrations.up();
      expect(await tables()).toEqual(before);
    });
  });

  it('list what is pending', async () => {
    database = await createTestDatabase({ migrated: false });
    await withMigrations(foundation(), async (migrations) => {
      const pending = await migrations.status();
      expect(pending).not.toEqual([]);
      for (const { executedAt } of pending) expect(executedAt).toBeNull();
      await migrations.up();
      for (const { executedAt } of await migrations.status()) expect(executedAt).toBeInstanceOf(Date);
    });
  });

  it('can be stamped only when the tables exist already', async () => {
    database = await createTestDatabase();
    await database.query('delete from migration');
    await withMigrations(foundation(), async (migrations) => {
      const pending = (await migrations.status()).map(({ name }) => name);
      await database.query('alter table users drop column display_name');
      await expect(migrations.stamp()).rejects.toThrow('does not have the tables');
      await database.query('alter table users add column display_name text');
      expect(await migrations.stamp()).toEqual(pending);
      for (const { executedAt } of await migrations.status()) expect(executedAt).toBeInstanceOf(Date);
    });
  });

  it('suggest stamp when the tables exist and no migration is recorded', async () => {
    database = await createTestDatabase();
    await database.query('delete from migration');
    const upgrade = withMigrations(foundation(), (migrations) => migrations.up());
    await expect(upgrade).rejects.toThrow(CannotStart);
    await expect(upgrade).rejects.toThrow(
      /^A pending migration would make an object that the database already has \((relation|type|function) ".*" already exists.*\)\. .*run "gatehouse migrate stamp"/,
    );
  });

  it('stop, with the names, when role names differ only in case', async () => {
    database = await createTestDatabase();
    await withMigrations(foundation(), async (migrations) => {
      while ((await migrations.newest()) !== '20261128174500_session_key') await migrations.down();
      await database.query(
        `insert into role (id, name, permissions)
         select gen_random_uuid(), name, '{}' from unnest(array['support', 'Support', 'clerk', 'CLERK', 'own']) name`,
      );
      const upgrade = migrations.up();
      await expect(upgrade).rejects.toThrow(CannotStart);
      await expect(upgrade).rejects.toThrow(
        /^Some roles have names that differ only in case: (CLERK, clerk|clerk, CLERK); (Support, support|support, Support)\. Rename or delete/,
      );
      await database.query(`delete from role where name in ('Support', 'CLERK')`);
      await migrations.up();
      const again = database.query(
        `insert into role (id, name, permissions) values (gen_random_uuid(), 'OWN', '{}')`,
      );
      await expect(again).rejects.toThrow(/role_name_case_unique/);
    });
  });

  it('are generated without the functions that earlier migrations wrote by hand', async () => {
    database = await createTestDatabase();
    await database.query('alter table users drop column display_name');
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-migration-'));
    const file = await withMigrations(foundation(), (migrations) =>
      migrations.create('add_display_name', folder),
    );
    const statements = [
      ...(await readFile(join(folder, String(file)), 'utf8')).matchAll(/addSql\(`(.*?)`\)/gs),
    ];
    await rm(folder, { recursive: true });
    expect(statements.map(([, statement]) => statement)).toEqual([
      expect.stringMatching(/^alter table "users" add "display_name"/),
      expect.stringMatching(/^alter table "users" drop column "display_name"/),
    ]);
  });

  it('are reverted only when the newest one is the expected one', async () => {
    database = await createTestDatabase();
    await withMigrations(foundation(), async (migrations) => {
      const newest = (await migrations.newest()) ?? '';
      await expect(migrations.down('another')).rejects.toThrow('another is no longer the newest migration');
      expect(await migrations.down(newest)).toEqual([newest]);
      expect(await migrations.newest()).not.toBe(newest);
    });
  });

  describe('started by a login without the rights', () => {
    const works: Record<'up' | 'status', (migrations: Migrations) => Promise<unknown>> = {
      up: (migrations) => migrations.up(),
      status: (migrations) => migrations.status(),
    };

    it.each(['up', 'status'] as const)('name the setting and the right: %s', async (work) => {
      database = await createTestDatabase({ migrated: false });
      const { servingUrl } = database;
      const alone = { ownerUrl: servingUrl, ownerSetting: 'DATABASE_URL', servingUrl } as Foundation;
      await expect(withMigrations(alone, works[work])).rejects.toThrow(
        'DATABASE_URL: the login gatehouse_app may not migrate ' +
          '(permission denied for schema public): set DATABASE_MIGRATION_URL to a login that owns the tables, with the rights USAGE and CREATE on the schema public.',
      );
      const wrong = { ...alone, ownerSetting: 'DATABASE_MIGRATION_URL' } as Foundation;
      await expect(withMigrations(wrong, works[work])).rejects.toThrow(
        'DATABASE_MIGRATION_URL: the login gatehouse_app may not migrate (permission denied for schema public): it must be',
      );
    });

    it('name the setting when the login may read the schema but not change it', async () => {
      database = await createTestDatabase();
      const { servingUrl } = database;
      const refused = withMigrations(
        { ownerUrl: servingUrl, ownerSetting: 'DATABASE_URL', servingUrl } as Foundation,
        (migrations) => migrations.down(),
      );
      await expect(refused).rejects.toThrow(CannotStart);
      await expect(refused).rejects.toThrow(
        /^DATABASE_URL: .* may not migrate \((must be owner|permission denied).*\)/,
      );
    });
  });

  it('are reported as missing by a process that would serve without them', async () => {
    database = await createTestDatabase({ migrated: false });
    const orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 2 });
    await expect(migrationsReady(orm.em.fork(), SCHEMA.migrations)).rejects.toThrow('gatehouse migrate up');
    await orm.close();
  });
});

describe('the serving login', () => {
  it('has rights on every table, and each right is listed', async () => {
    database = await createTestDatabase();
    expect(Object.keys(SERVING_RIGHTS.tables).sort()).toEqual(
      (await tables()).filter((name) => name !== 'migration'),
    );
    const rows = await database.query<{ table_name: string; privileges: string[] }>(
      `select table_name, array_agg(lower(privilege_type) order by privilege_type)::text[] as privileges
       from information_schema.role_table_grants where grantee = 'gatehouse_app' group by table_name`,
    );
    const granted = Object.fromEntries(rows.map(({ table_name, privileges }) => [table_name, privileges]));
    const expected = Object.entries(SERVING_RIGHTS.tables).map(([table, verbs]) => [
      table,
      [...verbs].sort(),
    ]);
    expect(granted).toEqual({ ...Object.fromEntries(expected), migration: ['select'] });
  });

  it.each([
    ['change the audit trail', `update audit_event set action = 'x'`],
    ['delete from the audit trail', 'delete from audit_event'],
    ['empty the audit trail', 'truncate audit_event'],
    ['revive a session', 'delete from ending'],
    ['delete a signing key', 'delete from signing_key'],
    ['alter a revocation', `update ending set kept_until = now()`],
    ['make a table', 'create table intruder (id int)'],
    ['drop a table', 'drop table users'],
    ['record a migration', `insert into migration (name) values ('x')`],
  ])('cannot %s', async (_, statement) => {
    database = await createTestDatabase();
    const serving = await database.connect('serving');
    await expect(serving.query(statement)).rejects.toMatchObject({ code: '42501' });
    await serving.end();
  });
});
