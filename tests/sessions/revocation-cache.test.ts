/** @topology one: has two processes of its own, and cuts what connects them */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { MikroORM } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { SCHEMA } from '../../src/modules.ts';
import { AuditLog } from '../../src/platform/audit/index.ts';
import { createOrm } from '../../src/platform/database/index.ts';
import { PostgresEventFeed } from '../../src/platform/events/index.ts';
import { newId } from '../../src/platform/id.ts';
import type { Caller } from '../../src/platform/request/index.ts';
import { LostRevocations, RevocationCache, Revocations } from '../../src/sessions/index.ts';
import { Client } from '../support/client.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import type { TestGateway } from '../support/gateway.ts';
import { LogoutDocument } from '../support/generated/operations.ts';
import { eventually, race } from '../support/race.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';
import type { Subject } from '../support/subject.ts';

describe.each(STORES)('with sessions in %s', (store) => {
  let on: GatewayOnStore;
  let gateway: TestGateway;
  let second: TestGateway;
  let there: Client;
  let alice: Subject;

  beforeAll(async () => {
    on = await startOn(store);
    gateway = on.gateway;
    second = await gateway.another();
    there = new Client(second.url);
    alice = await gateway.aSubject();
  });
  afterAll(async () => {
    await second.close();
    await on.close();
  });

  const isRefusedThere = (accessToken: string, withinMilliseconds: number) =>
    eventually(
      () => alice.me(accessToken, there),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds },
    );
  const endingStatement = `insert into ending (kind, session_id, user_id, matters_until, kept_until)
                         values ('SESSION', $1, $2, now() + interval '1 hour', now() + interval '60 days')`;

  describe('a revocation', () => {
    it('is known at once in the process that made it, and within a second in another one', async () => {
      const { accessToken } = await alice.signedIn();
      expect((await alice.me(accessToken, there)).errors).toEqual([]);
      await gateway.client.execute(LogoutDocument, {}, { bearer: accessToken });
      expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
      await isRefusedThere(accessToken, 1_000);
    });

    it('is found by polling when no wake-up came', async () => {
      const { accessToken, sessionId } = await alice.signedIn();
      await gateway.database.query(endingStatement, [sessionId, alice.id]);
      await isRefusedThere(accessToken, 1_500);
    });

    it('is not missed when it commits long after revocations that began later', async () => {
      const late = await alice.signedIn();
      const early = await alice.signedIn();
      const transaction = await gateway.database.connect();
      await transaction.query('begin');
      await transaction.query(endingStatement, [late.sessionId, alice.id]);
      await gateway.database.query(endingStatement, [early.sessionId, alice.id]);
      await isRefusedThere(early.accessToken, 1_500);
      expect((await alice.me(late.accessToken, there)).errors).toEqual([]);
      await transaction.query('commit');
      await transaction.end();
      await isRefusedThere(late.accessToken, 1_500);
    });

    it('is known to a process that starts later', async () => {
      const { accessToken } = await alice.signedIn();
      await gateway.client.execute(LogoutDocument, {}, { bearer: accessToken });
      const third = await gateway.another();
      try {
        expect((await alice.me(accessToken, third.client)).code).toBe('UNAUTHENTICATED');
      } finally {
        await third.close();
      }
    });

    it('of an epoch voids older tokens of the account, and the next refresh returns a valid one', async () => {
      const { accessToken, refreshToken } = await alice.signedIn();
      await gateway.database.query(
        `with raised as (update users set epoch = epoch + 1 where id = $1 returning id, epoch)
       insert into ending (kind, user_id, epoch, matters_until, kept_until)
       select 'EPOCH', id, epoch, now() + interval '1 hour', now() + interval '1 hour' from raised`,
        [alice.id],
      );
      await isRefusedThere(accessToken, 1_500);
      const renewed = await alice.refresh(refreshToken);
      expect((await alice.me(renewed.data?.refresh.accessToken ?? '', there)).errors).toEqual([]);
    });

    it('costs requests no query: they work while the tables cannot be read', async () => {
      const { accessToken } = await alice.signedIn();
      await alice.me(accessToken);
      const owner = await gateway.database.connect();
      await owner.query('begin');
      await owner.query('lock table ending, session, role, role_grant in access exclusive mode');
      const replies = await race(50, () => gateway.client.raw('{ me { id } }', {}, { bearer: accessToken }));
      await owner.query('rollback');
      await owner.end();
      expect(replies.flatMap(({ errors }) => errors)).toEqual([]);
    });
  });

  describe('while revocations cannot be read', () => {
    /** Locks the table against readers. The connection of its owner may still use it. */
    const blocked = async (work: () => Promise<void>, statement: string): Promise<void> => {
      const owner: pg.Client = await gateway.database.connect();
      try {
        await owner.query('begin');
        await owner.query(statement);
        await work();
      } finally {
        await owner.query('rollback');
        await owner.end();
      }
    };

    it('no token is accepted after the allowed staleness: SERVICE_UNAVAILABLE, until they can be read again', async () => {
      const strict = await gateway.another({ REVOCATION_MAX_STALENESS_SECONDS: '1' });
      try {
        const { accessToken } = await alice.signedIn();
        await blocked(async () => {
          const reply = await eventually(
            () => alice.me(accessToken, strict.client),
            ({ code }) => code === 'SERVICE_UNAVAILABLE',
          );
          expect(reply.status).toBe(503);
        }, 'lock table ending in access exclusive mode');
        await eventually(
          () => alice.me(accessToken, strict.client),
          ({ errors }) => errors.length === 0,
        );
      } finally {
        await strict.close();
      }
    });

    it('anonymous operations work, even with a token that is not accepted', async () => {
      const strict = await gateway.another({ REVOCATION_MAX_STALENESS_SECONDS: '1' });
      try {
        const { accessToken } = await alice.signedIn();
        await blocked(async () => {
          await eventually(
            () => alice.me(accessToken, strict.client),
            ({ code }) => code === 'SERVICE_UNAVAILABLE',
          );
          for (const bearer of [accessToken, 'not.a.token']) {
            const reply = await strict.client.raw('{ errorCodes { code } }', {}, { bearer });
            expect(reply.errors).toEqual([]);
          }
          expect((await alice.me(accessToken, strict.client)).code).toBe('SERVICE_UNAVAILABLE');
        }, 'lock table ending in access exclusive mode');
      } finally {
        await strict.close();
      }
    });
  });
});

describe('a revocation in the cache', () => {
  let database: TestDatabase;
  let orm: MikroORM;
  let revocationCache: RevocationCache;

  const anyCaller: Caller = {
    ...{ userId: newId(), sessionId: newId(), keyId: '', generation: 0, epoch: 0, roles: [] },
    ...{ amr: ['pwd'], aal: 1, authenticatedAt: 0, enrolmentRequired: false },
  };
  /** Rows of the table that were read. */
  const tuplesRead = async () => {
    const [row] = await database.query<{ read: number }>(
      `select (seq_tup_read + idx_tup_fetch)::int as read from pg_stat_user_tables where relname = 'ending'`,
    );
    return row?.read ?? Number.NaN;
  };

  /** As if another server had taken over. */
  const serverStartedAt = (time: string) =>
    database.query(
      `create or replace function public.pg_postmaster_start_time() returns timestamptz
       language sql as $$ select '${time}'::timestamptz $$`,
    );

  beforeEach(async () => {
    database = await createTestDatabase();
    const name = new URL(database.ownerUrl).pathname.slice(1);
    await database.query(`alter database ${name} set search_path = public, pg_catalog`);
    await serverStartedAt('2026-01-01');
    orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 2 });
    const feed = new PostgresEventFeed(database.servingUrl, () => {});
    const lostRevocations = new LostRevocations(
      () => orm.em.fork(),
      new AuditLog(),
      () => {},
    );
    revocationCache = new RevocationCache(
      () => orm.em.fork(),
      feed,
      { maxStalenessSeconds: 2, onReplaced: (known) => lostRevocations.writeAgain(known) },
      () => {},
    );
  });
  afterEach(async () => {
    await revocationCache.stop();
    await orm.close();
    await database.drop();
  });

  it('is found among those of a year without reading them all', async () => {
    await database.query(
      `insert into ending (kind, session_id, matters_until, kept_until)
       select 'SESSION', gen_random_uuid(), now() - n * interval '1 minute', now() + interval '60 days'
       from generate_series(-10, 20000) as n`,
    );
    await database.query('vacuum analyze ending');
    const before = await tuplesRead();
    await revocationCache.start();
    await revocationCache.stop();
    // A connection reports its reads at the latest when it closes.
    await orm.close();
    await eventually(tuplesRead, (after) => after > before);
    expect((await tuplesRead()) - before).toBeLessThan(100);
  });

  it('is read once, even while an old transaction stays open on the server', async () => {
    await revocationCache.start();
    await revocationCache.stop();
    const old = await database.connect();
    await old.query('begin');
    await old.query('select pg_current_xact_id()');
    await database.query(
      `insert into ending (kind, session_id, matters_until, kept_until)
       select 'SESSION', gen_random_uuid(), now() + interval '1 hour', now() + interval '60 days'
       from generate_series(1, 5000)`,
    );
    await database.query('vacuum analyze ending');
    await revocationCache.catchUp();
    const before = await tuplesRead();
    for (let reading = 0; reading < 20; reading += 1) await revocationCache.catchUp();
    await old.query('commit');
    await old.end();
    await orm.close();
    await database.query('select pg_stat_force_next_flush()');
    expect((await tuplesRead()) - before).toBeLessThan(5_000 * 2);
  });

  it('is read in pages at the start, for any number of rows', async () => {
    const many = process.env.TEST_ALL ? 1_000_000 : 45_000;
    await database.query(
      `insert into ending (kind, session_id, matters_until, kept_until)
       select 'SESSION', ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
              now() + interval '1 hour' + n / 3 * interval '1 millisecond', now() + interval '60 days'
       from generate_series(1, ${many}) as n`,
    );
    const cpu = process.cpuUsage();
    await revocationCache.start();
    // Microseconds of this process, because other processes slow down real time. The database takes about as
    // long.
    expect(process.cpuUsage(cpu).user).toBeLessThan(6_000_000);
    await revocationCache.catchUp();
    const ended = [1, 2, 3, 20_000, 20_001, many - 1, many].map((n) => n.toString(16).padStart(12, '0'));
    for (const tail of ended) {
      const caller = { ...anyCaller, sessionId: `00000000-0000-4000-8000-${tail}` };
      expect(await revocationCache.isVoid(caller, () => orm.em.fork())).toBe(true);
    }
    expect(await revocationCache.isVoid(anyCaller, () => orm.em.fork())).toBe(false);
  });

  it('is read again when another server took over, which may have lost the last transactions and continued', async () => {
    await revocationCache.start();
    const caller = anyCaller;
    // The former server assigned this transaction number before the last read.
    await database.query(
      `insert into ending (kind, session_id, matters_until, kept_until, written_by)
       values ('SESSION', $1, now() + interval '1 hour', now() + interval '1 day', '3')`,
      [caller.sessionId],
    );
    const isVoid = async () => {
      await revocationCache.catchUp();
      return revocationCache.isVoid(caller, () => orm.em.fork());
    };
    expect(await isVoid()).toBe(false);
    await serverStartedAt('2026-01-02');
    expect(await isVoid()).toBe(true);
  });

  it('is written again once, with an audit event, when the server that took over has lost it', async () => {
    const sessionId = newId();
    const userId = newId();
    const [username, kept, lost] = [`subject-${userId.slice(-12)}`, newId(), newId()];
    await database.query(`insert into users (id, username, username_key, epoch) values ($1, $2, $2, 7)`, [
      userId,
      username,
    ]);
    const revocations = `insert into ending (kind, session_id, matters_until, kept_until)
                     values ('SESSION', $1, now() + interval '1 hour', now() + interval '1 day')`;
    for (const id of [sessionId, kept]) await database.query(revocations, [id]);
    await database.query(
      `insert into ending (kind, user_id, epoch, matters_until, kept_until)
       values ('EPOCH', $1, 7, now() + interval '1 hour', now() + interval '1 hour')`,
      [userId],
    );
    await revocationCache.start();
    // The state of the new server, without the revocation of one session and the change of the account.
    await database.query(`delete from ending where session_id = $1 or user_id = $2`, [sessionId, userId]);
    await database.query(`update users set epoch = 6 where id = $1`, [userId]);
    await serverStartedAt('2026-01-02');
    await revocationCache.catchUp();
    await revocationCache.catchUp();

    const rows = await database.query(
      `select kind, session_id, user_id, epoch from ending where session_id = any($1) or user_id = $2 order by kind, id`,
      [[sessionId, kept, lost], userId],
    );
    expect(rows).toEqual([
      { kind: 'EPOCH', session_id: null, user_id: userId, epoch: 7 },
      { kind: 'SESSION', session_id: kept, user_id: null, epoch: null },
      { kind: 'SESSION', session_id: sessionId, user_id: null, epoch: null },
    ]);
    expect(await database.query(`select epoch from users where id = $1`, [userId])).toEqual([{ epoch: 7 }]);
    expect(
      await database.query(`select action, details from audit_event where action like 'database.%'`),
    ).toEqual([{ action: 'database.lost_transactions', details: { sessions: 1, accounts: 1 } }]);
  });

  it('is known from its commit on, even when the database is gone before it can be read', async () => {
    const lost = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 1 });
    const feed = new PostgresEventFeed(database.servingUrl, () => {});
    const blind = new RevocationCache(
      () => lost.em.fork(),
      feed,
      { maxStalenessSeconds: 2, onReplaced: async () => {} },
      () => {},
    );
    await blind.start();
    await blind.stop();
    await lost.close();
    const revocations = new Revocations(feed, blind, { accessTokenTtlSeconds: 60 });
    const session = { id: anyCaller.sessionId, userId: newId(), expiresAt: new Date(Date.now() + 60_000) };
    await revocations.transactional(orm.em.fork(), (tx) => revocations.endSessions(tx, [session]));
    expect(await blind.isVoid(anyCaller, () => orm.em.fork())).toBe(true);
  });
});
