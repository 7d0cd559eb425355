import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SCHEMA } from '../../../src/modules.ts';
import { createOrm, sql, statement } from '../../../src/platform/database/index.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/race.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

it('the database can be closed while a connection to it is being opened', async () => {
  const orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 2 });
  // The only connection is busy, so the next statement opens one.
  await statement(orm.em.fork(), sql`select 1`);
  const first = statement(orm.em.fork(), sql`select pg_sleep(1)`);
  await eventually(
    () => database.running('%pg_sleep%'),
    (count) => count === 1,
  );
  const second = statement(orm.em.fork(), sql`select 1`).catch((error: Error) => error.message);
  await orm.close();
  await first;
  expect(await second).toBe('Cannot use a pool after calling end on the pool');
}, 10_000);
