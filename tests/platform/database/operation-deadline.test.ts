/** @timing: lets deadlines of 50 to 300 ms pass */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { SCHEMA } from '../../../src/modules.ts';
import {
  createOrm,
  holdingDeadline,
  isDatabaseAway,
  outsideDeadline,
  sql,
  statement,
  withinDeadline,
} from '../../../src/platform/database/index.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { elapse, eventually } from '../../support/race.ts';

let database: TestDatabase;
let orm: MikroORM;

beforeAll(async () => {
  database = await createTestDatabase();
  orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 1 });
});
afterAll(async () => {
  await orm.close();
  await database.drop();
});

const sleep = (seconds: number) => statement(orm.em.fork(), sql`select pg_sleep(${seconds})`);
const PAST = 'longer than the deadline';
const sleeping = () => database.running('%pg_sleep%');
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'none',
    (error: unknown) => error,
  );

it('a transaction that PostgreSQL ended because this process was too slow counts as a database outage', async () => {
  const stalled = async (end: (tx: EntityManager) => Promise<unknown>) =>
    failure(
      orm.em.fork().transactional(async (tx) => {
        await statement(tx, sql`set local idle_in_transaction_session_timeout = 50`);
        // The process as a whole stands still, so it reads the message of PostgreSQL as the answer to its
        // next statement.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
        await end(tx);
      }),
    );
  expect(isDatabaseAway(await stalled((tx) => statement(tx, sql`select 1`)))).toBe(true);
  // By then the COMMIT is the statement that fails.
  expect(isDatabaseAway(await stalled(async () => {}))).toBe(true);
  expect(await statement(orm.em.fork(), sql`select 1`)).toHaveLength(1);
});

it('the server drops a connection that the network lost within a minute', async () => {
  const [row] = await statement(
    orm.em.fork(),
    sql<Record<'idle' | 'interval' | 'count', number>>`
      select current_setting('tcp_keepalives_idle')::int as idle,
        current_setting('tcp_keepalives_interval')::int as interval,
        current_setting('tcp_keepalives_count')::int as count`,
  );
  const { idle = 0, interval = 0, count = 0 } = row ?? {};
  expect([idle > 0, idle + interval * count]).toEqual([true, 60]);
});

describe('the deadline of an operation', () => {
  it('does not apply to work that continues after it, or that is shared with other operations', async () => {
    const timers = await withinDeadline(50, async () => {
      const later = (work: () => Promise<unknown>) =>
        new Promise((resolve) => setTimeout(() => resolve(failure(work())), 100));
      const own = later(() => sleep(0));
      const other = outsideDeadline(() => later(() => sleep(0)));
      return { own, other };
    });
    expect(isDatabaseAway(await timers.own)).toBe(true);
    expect(await timers.other).toBe('none');
  });

  it('pauses while the gateway records a result of another system, and then has the remaining time', async () => {
    const { noted, later, late } = await withinDeadline(200, async () => ({
      noted: await failure(holdingDeadline(() => sleep(0.3))),
      later: await failure(sleep(0)),
      late: await failure(sleep(4)),
    }));
    expect([noted, later]).toEqual(['none', 'none']);
    expect(isDatabaseAway(late)).toBe(true);
  });

  it('cancels the running statement in PostgreSQL, and frees the place in the pool', async () => {
    const startedAt = performance.now();
    const error = await withinDeadline(300, () => failure(sleep(4)));
    expect(isDatabaseAway(error)).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await eventually(sleeping, (count) => count === 0, { withinMilliseconds: 1_000 });
    const [row] = await statement(orm.em.fork(), sql<{ one: number }>`select 1 as one`);
    expect(row?.one).toBe(1);
  });

  it('refuses later statements, and rolls the transaction back', async () => {
    const error = await withinDeadline(200, () =>
      failure(
        orm.em.fork().transactional(async (tx) => {
          await statement(tx, sql`insert into key_check (setting, key_id, proof) values ('late', 'x', '')`);
          await elapse(300, PAST);
          await statement(tx, sql`select 1`);
        }),
      ),
    );
    expect(isDatabaseAway(error)).toBe(true);
    expect(await database.query(`select from key_check where setting = 'late'`)).toEqual([]);
    expect(await statement(orm.em.fork(), sql`select 1`)).toHaveLength(1);
  });

  it('that is over before a transaction begins takes no place in the pool', async () => {
    const error = await withinDeadline(50, async () => {
      await elapse(100, PAST);
      return failure(orm.em.fork().transactional((tx) => statement(tx, sql`select 1`)));
    });
    expect(isDatabaseAway(error)).toBe(true);
    // The pool has only one.
    expect(await statement(orm.em.fork(), sql`select 1`)).toHaveLength(1);
  });

  it('lets a transaction commit in time, and does not apply outside an operation', async () => {
    await withinDeadline(200, () =>
      orm.em.fork().transactional(async (tx) => {
        await statement(tx, sql`select 1`);
        await elapse(300, PAST);
      }),
    );
    expect(await sleep(0.3)).toHaveLength(1);
  });
});
