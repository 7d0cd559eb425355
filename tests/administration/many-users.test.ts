/** @topology one: counts what PostgreSQL reads for one request */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeCursor } from '../../src/platform/pagination/index.ts';
import { TestGateway } from '../support/gateway.ts';
import { UsersDocument, type UsersQueryVariables } from '../support/generated/operations.ts';
import { aSuperuser } from '../support/staff.ts';
import { statementsDuring, watchStatements } from '../support/statements.ts';

/** Half of the addresses have one form, half the other. So a search for one form passes entries of the other form. */
const USERS = 100_000;
/**
 * Rows that PostgreSQL may read for a page of twenty, at any depth. Skipping or sorting would read thousands.
 */
const FEW = 150;

let gateway: TestGateway;
let bearer: string;

beforeAll(async () => {
  watchStatements();
  gateway = await TestGateway.start();
  bearer = (await aSuperuser(gateway)).tokens.accessToken;
  await gateway.database.query(
    `insert into users (id, username, username_key, email, email_key, deactivated_by)
     select ('01a00000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, name, name, mail, mail,
            case when n % 5000 = 0 then 'ADMIN' end
     from (select n, case when n % 2 = 0 then 'user.' || n else 'member-' || n end as name,
                  case when n % 2 = 0 then 'user.' || n else 'post.' || n end || '@example.test' as mail
           from generate_series(1, $1::int) n) account`,
    [USERS],
  );
  await gateway.database.query(
    `with made as (insert into role (id, name, permissions) values (gen_random_uuid(), 'crowd', '{}'), (gen_random_uuid(), 'few', '{}') returning id, name)
     insert into role_grant (user_id, role_id)
     select u.id, made.id from made, users u where u.username like case made.name when 'crowd' then 'user.%' else 'user.777_' end`,
  );
  await gateway.database.query('analyze');
});
afterAll(() => gateway.close());

interface Plan {
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Plan[];
}

/** Rows that the leaves of the plan read. */
function rowsRead({ Plans: plans = [], ...node }: Plan): number {
  const own =
    node['Actual Rows'] +
    (node['Rows Removed by Filter'] ?? 0) +
    (node['Rows Removed by Index Recheck'] ?? 0);
  return plans.length === 0
    ? own * node['Actual Loops']
    : plans.reduce((sum, plan) => sum + rowsRead(plan), 0);
}

async function page(variables: UsersQueryVariables) {
  const reply = await gateway.client.execute(UsersDocument, variables, { bearer });
  if (!reply.data) throw new Error(reply.text);
  return reply.data.users;
}

/** Rows that PostgreSQL reads for all statements of the page together. */
async function cost(variables: UsersQueryVariables): Promise<number> {
  const sent = await statementsDuring(() => page(variables));
  let rows = 0;
  for (const { text, values } of sent.filter(({ text: sql }) => /^\s*(select|with)/i.test(sql))) {
    const [explained] = await gateway.database.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `explain (analyze, format json) ${text}`,
      values,
    );
    rows += explained ? rowsRead(explained['QUERY PLAN'][0].Plan) : 0;
  }
  return rows;
}

/**
 * An entry of a list: the walk to which it belongs, its key in that walk, and the condition that selects it.
 */
type Place = readonly [walk: string, key: string, where: string];

/** The cursor of the entry that the SQL condition selects. */
async function after(walk: string, key: string, where: string): Promise<string> {
  const [row] = await gateway.database.query<{ key: string }>(
    `select ${key}::text as key from users where ${where} limit 1`,
  );
  return encodeCursor(walk, row?.key ?? '');
}

describe(`a list of ${USERS} users`, () => {
  it.each<[string, UsersQueryVariables['filter'], Place | null]>([
    ['all', null, ['newest', 'id', `username = 'user.30000'`]],
    ['the active ones', { isActive: true }, ['newest', 'id', `username = 'user.30000'`]],
    ['the deactivated ones', { isActive: false }, ['newest', 'id', `username = 'user.30000'`]],
    ['a role that half of them have', { role: 'crowd' }, ['newest', 'id', `username = 'user.30000'`]],
    ['a role that few have', { role: 'few' }, null],
    [
      'a search that matches half of the usernames',
      { search: 'user.' },
      ['username', 'username_key', `username = 'user.70000'`],
    ],
    [
      'the last page of that search',
      { search: 'user.' },
      ['username', 'username_key', `username = 'user.99998'`],
    ],
    [
      'a search that matches half of the addresses',
      { search: 'post.' },
      ['address', 'email_key', `username = 'member-70001'`],
    ],
    ['a search with few matches', { search: 'member-7777' }, null],
    ['a search without matches', { search: 'zebra' }, null],
    ['a search for one letter', { search: 'u' }, ['username', 'username_key', `username = 'user.70000'`]],
    ['a search for an address', { search: 'user.77@' }, null],
    ['a search for the beginning of addresses', { search: 'post.7777@ex' }, null],
  ])('reads a few rows for a page of %s, at the start and far behind it', async (_, filter, place) => {
    expect(await cost({ filter })).toBeLessThan(FEW);
    if (place) expect(await cost({ filter, after: await after(...place) })).toBeLessThan(FEW);
  });
});
