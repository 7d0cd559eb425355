import { afterEach, describe, expect, it } from '@jest/globals';
import { withMigrations } from '../../../src/composition/index.ts';
import type { Foundation } from '../../../src/foundation.ts';
import { createOrm, migrationsReady } from '../../../src/platform/database/index.ts';
import { SCHEMA, SERVING_RIGHTS } from '../../../src/tables.ts';
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
  it('bring an empty database to exactly what the entities say', async () => {
    database = await createTestDatabase({ migrated: false });
    await withMigrations(foundation(), async (migrations, orm) => {
      await migrations.up();
      expect(await orm.schema.getUpdateSchemaSQL({ wrap: false })).toBe('');
    });
  });

  it('started twenty times at once are applied once', async () => {
    database = await createTestDatabase({ migrated: false });
    const applied = await race(20, () => withMigrations(foundation(), (migrations) => migrations.up()));
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
  });

  it('go down to nothing and up again', async () => {
    database = await createTestDatabase();
    await withMigrations(foundation(), async (migrations) => {
      const before = await tables();
      while ((await migrations.down()).length > 0);
      expect(await tables()).toEqual(['migration']);
      await migrations.up();
      expect(await tables()).toEqual(before);
    });
  });

  it('tell what is pending', async () => {
    database = await createTestDatabase({ migrated: false });
    await withMigrations(foundation(), async (migrations) => {
      const pending = await migrations.status();
      expect(pending).not.toEqual([]);
      for (const { executedAt } of pending) expect(executedAt).toBeNull();
      await migrations.up();
      for (const { executedAt } of await migrations.status()) expect(executedAt).toBeInstanceOf(Date);
    });
  });

  it('can be stamped where the tables are there already, and only there', async () => {
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

  it('are missed by a process that would serve without them', async () => {
    database = await createTestDatabase({ migrated: false });
    const orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 2 });
    await expect(migrationsReady(orm.em.fork(), SCHEMA.migrations)).rejects.toThrow('gatehouse migrate up');
    await orm.close();
  });
});

describe('the login that serves', () => {
  it('has rights on every table, and each one is listed', async () => {
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
    ['alter an ending', `update ending set kept_until = now()`],
    ['make a table', 'create table intruder (id int)'],
    ['drop a table', 'drop table users'],
    ['pretend a migration', `insert into migration (name) values ('x')`],
  ])('cannot %s', async (_, statement) => {
    database = await createTestDatabase();
    const serving = await database.connect('serving');
    await expect(serving.query(statement)).rejects.toMatchObject({ code: '42501' });
    await serving.end();
  });
});
