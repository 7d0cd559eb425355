import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { withMigrations } from '../../src/composition/index.ts';
import type { Foundation } from '../../src/foundation.ts';
import { SCHEMA } from '../../src/modules.ts';
import { oldAuditEvents } from '../../src/platform/audit/index.ts';
import { createOrm } from '../../src/platform/database/index.ts';
import { Housekeeping } from '../../src/platform/housekeeping/housekeeping.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let orm: MikroORM;

beforeAll(async () => {
  database = await createTestDatabase();
  orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 5 });
});
afterAll(async () => {
  await orm.close();
  await database.drop();
});

const seed = (age: string, count: number) =>
  database.query(
    `insert into audit_event (id, at, action, outcome)
     select gen_random_uuid(), now() - $1::interval, $1, 'SUCCESS' from generate_series(1, $2::int)`,
    [age, count],
  );
const left = async () => {
  const rows = await database.query<{ action: string; count: string }>(
    'select action, count(*) from audit_event group by action order by action',
  );
  return Object.fromEntries(rows.map(({ action, count }) => [action, Number(count)]));
};
const retain = (days: number) =>
  withMigrations(
    { ownerUrl: database.ownerUrl, servingUrl: database.servingUrl } as Foundation,
    (migrations) => migrations.up(),
    { auditRetentionDays: days },
  );

describe('housekeeping', () => {
  it('removes audit events past their retention, a year by default, and nothing else', async () => {
    await seed('366 days', 1_100);
    await seed('364 days', 3);
    await new Housekeeping(
      () => orm.em.fork(),
      [oldAuditEvents],
      () => {},
    ).round();
    expect(await left()).toEqual({ '364 days': 3 });
  });

  it('uses the retention that the owner of the tables set last', async () => {
    await seed('40 days', 2);
    await retain(30);
    await oldAuditEvents.sweep(orm.em.fork(), 500);
    expect(await left()).toEqual({});
    await seed('40 days', 2);
    await retain(41);
    await oldAuditEvents.sweep(orm.em.fork(), 500);
    expect(await left()).toEqual({ '40 days': 2 });
  });
});

describe('the serving login', () => {
  it.each([
    ['shorten the retention', `update retention set days = 0`],
    ['replace it', `insert into retention values ('other', 0)`],
    ['drop it', `delete from retention`],
    ['delete an event', `delete from audit_event`],
    [
      'replace the function',
      `create or replace function delete_old_audit_events(most int) returns int language sql as 'select 1'`,
    ],
  ])('cannot %s', async (_, statement) => {
    const serving = await database.connect('serving');
    await expect(serving.query(statement)).rejects.toMatchObject({ code: '42501' });
    await serving.end();
  });

  it('cannot make the function read another table', async () => {
    await seed('1 day', 1);
    const serving = await database.connect('serving');
    await serving.query(`
      create temp table retention (table_name text, days int);
      insert into retention values ('audit_event', 0);
      grant select on retention to public;
      set search_path = pg_temp, public;`);
    await serving.query('select public.delete_old_audit_events(500)');
    await serving.end();
    expect((await left())['1 day']).toBe(1);
  });
});
