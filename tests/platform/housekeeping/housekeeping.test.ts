import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import { expiredRegistrations } from '../../../src/accounts/index.ts';
import { expiredChallenges } from '../../../src/authentication/index.ts';
import { expiredEnrolments, fullAllowances } from '../../../src/authenticators/index.ts';
import { abandonedRecords, expiredUploadTokens, oldSignIns } from '../../../src/blockpass/index.ts';
import { expiredGoogleFlowTokens } from '../../../src/google/index.ts';
import { expiredLinkChallenges } from '../../../src/identities/index.ts';
import { SCHEMA } from '../../../src/modules.ts';
import { expiredTokens } from '../../../src/one-time-tokens/index.ts';
import { AdvisoryLock, createOrm } from '../../../src/platform/database/index.ts';
import { Housekeeping } from '../../../src/platform/housekeeping/housekeeping.ts';
import { oldDevMails, oldMailJobs } from '../../../src/platform/mail/index.ts';
import { expiredSessions, oldRevocations } from '../../../src/sessions/index.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually, race } from '../../support/race.ts';

let database: TestDatabase;
let orm: MikroORM;
const log: unknown[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 10 });
  await database.query(`
    insert into users (id, username, username_key) values ('01890000-0000-7000-8000-000000000000', 'alice', 'alice')`);
});
afterAll(async () => {
  await orm.close();
  await database.drop();
});

const housekeeping = () =>
  new Housekeeping(
    () => orm.em.fork(),
    [expiredSessions, oldRevocations],
    (message, facts) => log.push({ message, ...facts }),
  );
const count = async (table: string) => {
  const [row] = await database.query<{ count: string }>(`select count(*) from ${table}`);
  return Number(row?.count);
};
const fill = async (rows: number, expiry: string) => {
  await database.query(
    `insert into session (id, user_id, amr, aal, expires_at)
     select gen_random_uuid(), '01890000-0000-7000-8000-000000000000', '{pwd}', 1, now() + $2::interval
     from generate_series(1, $1::int)`,
    [rows, expiry],
  );
  await database.query(
    `insert into ending (kind, session_id, matters_until, kept_until)
     select 'SESSION', gen_random_uuid(), now() + $2::interval, now() + $2::interval from generate_series(1, $1::int)`,
    [rows, expiry],
  );
};

describe('housekeeping', () => {
  it('removes expired rows in as many batches as needed, and nothing else', async () => {
    await fill(1_200, '-1 second');
    await fill(10, '1 hour');
    await housekeeping().round();
    expect([await count('session'), await count('ending')]).toEqual([10, 10]);
    expect(log).toEqual([
      { message: 'housekeeping', chore: 'expired sessions', removed: 1_200 },
      { message: 'housekeeping', chore: 'old revocations', removed: 1_200 },
    ]);
  });

  it('may run in several processes at once without an error', async () => {
    await fill(1_000, '-1 second');
    log.length = 0;
    await race(5, () => housekeeping().round());
    await housekeeping().round();
    expect([await count('session'), await count('ending')]).toEqual([10, 10]);
    const removed = (log as { removed?: number; message: string }[]).map(
      (entry) => entry.removed ?? entry.message,
    );
    expect(removed.reduce((sum: number, entry) => sum + Number(entry), 0)).toBe(2_000);
  });

  it('runs in one process while others skip it', async () => {
    await fill(3, '-1 second');
    log.length = 0;
    const elsewhere = await database.connect();
    await elsewhere.query('begin');
    await elsewhere.query('select pg_advisory_xact_lock($1)', [AdvisoryLock.HOUSEKEEPING]);
    await housekeeping().round();
    expect([log, await count('session')]).toEqual([[], 13]);
    await elsewhere.query('rollback');
    await elsewhere.end();
    await housekeeping().round();
    expect(await count('session')).toBe(10);
  });

  it('continues with the next chore when one fails, and logs the failure', async () => {
    log.length = 0;
    await fill(3, '-1 second');
    const broken = { name: 'broken', sweep: () => Promise.reject(new Error('no')) };
    await new Housekeeping(
      () => orm.em.fork(),
      [broken, expiredSessions],
      (message, facts) => log.push({ message, ...facts }),
    ).round();
    expect(log).toEqual([
      { message: 'housekeeping failed', chore: 'broken', err: expect.any(Error) },
      { message: 'housekeeping', chore: 'expired sessions', removed: 3 },
    ]);
  });

  it('keeps a row whose expiry moved while the chore waited for its lock', async () => {
    await database.query('delete from session');
    await fill(1, '-1 second');
    const owner = await database.connect();
    await owner.query('begin');
    await owner.query(`update session set expires_at = now() + interval '1 hour'`);
    const sweeping = expiredSessions.sweep(orm.em.fork(), 10);
    await eventually(database.lockWaiters, (count) => count > 0);
    await owner.query('commit');
    await owner.end();
    expect(await sweeping).toBe(0);
    expect(await count('session')).toBe(1);
  });

  it.each([
    abandonedRecords,
    expiredChallenges,
    expiredEnrolments,
    expiredGoogleFlowTokens,
    expiredLinkChallenges,
    expiredUploadTokens,
    expiredRegistrations,
    expiredTokens,
    fullAllowances,
    oldDevMails,
    oldMailJobs,
    oldSignIns,
  ])('can run every chore with the rights of the serving login: $name', async (chore) => {
    expect(await chore.sweep(orm.em.fork(), 10)).toBe(0);
  });
});
