/** @topology one: looks into the connections of a single process */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { SCHEMA } from '../../../src/modules.ts';
import { createOrm, preparedStatement, sql, statement } from '../../../src/platform/database/index.ts';
import { TestGateway } from '../../support/gateway.ts';

let gateway: TestGateway;
let orm: MikroORM;

beforeAll(async () => {
  gateway = await TestGateway.start();
  orm = createOrm({ url: gateway.database.servingUrl, schema: SCHEMA, poolSize: 1 });
});
afterAll(async () => {
  await orm.close();
  await gateway.close();
});

it('a prepared statement is planned once per connection, across transactions', async () => {
  const double = (n: number) =>
    preparedStatement(orm.em.fork(), sql<{ d: number }>`select ${n}::int * 2 as d`);
  const inTransaction = orm.em
    .fork()
    .transactional((tx) => preparedStatement(tx, sql<{ d: number }>`select ${4}::int * 2 as d`));
  expect([await double(2), await double(3), await inTransaction]).toEqual([
    [{ d: 4 }],
    [{ d: 6 }],
    [{ d: 8 }],
  ]);
  const plans = await statement(
    orm.em.fork(),
    sql<{ uses: number }>`select (generic_plans + custom_plans)::int as uses from pg_prepared_statements
                          where statement like '%select $1::int * 2 as d'`,
  );
  expect(plans).toEqual([{ uses: 3 }]);
});

it('a prepared statement still works after a migration adds columns, also in the gateway', async () => {
  const alice = await gateway.aSubject();
  let { accessToken, refreshToken } = await alice.signedIn();
  const use = async () => {
    expect((await alice.me(accessToken)).errors).toEqual([]);
    const { data, errors } = await alice.refresh(refreshToken);
    expect(errors).toEqual([]);
    accessToken = data?.refresh.accessToken ?? '';
    refreshToken = data?.refresh.refreshToken ?? '';
  };
  for (let round = 0; round < 25; round++) await use();
  for (const table of ['users', 'session', 'role', 'role_grant', 'ending']) {
    await gateway.database.query(`alter table ${table} add column added_meanwhile int not null default 1`);
  }
  for (let round = 0; round < 25; round++) await use();
});
