import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import { createOrm } from '../../src/platform/database/index.ts';
import { PostgresEventFeed } from '../../src/platform/events/index.ts';
import { newId } from '../../src/platform/id.ts';
import {
  Endings,
  Revocations,
  type SessionRecord,
  type SessionStore,
  type SessionStoreOptions,
} from '../../src/sessions/index.ts';
import { SCHEMA } from '../../src/tables.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually, race } from '../support/race.ts';
import type { SessionProbe } from '../support/session-probe.ts';

/** An adapter, and a look into what it keeps. */
export interface Adapter {
  readonly store: SessionStore;
  readonly probe: SessionProbe;
  close(): Promise<void>;
}

export interface AdapterUnderTest {
  readonly name: string;
  /** Generations by which a token may be ahead of a store that can lose its last moments. */
  readonly mostLost: number;
  open(endings: Endings, options: SessionStoreOptions, database: TestDatabase): Promise<Adapter>;
}

/** Beside the grace of 30 seconds. */
type SessionLimits = Omit<SessionStoreOptions, 'refreshGraceSeconds'>;

/** An adapter on a database, where endings and accounts are whatever the adapter. */
async function prepareOn(adapter: AdapterUnderTest, limits: SessionLimits) {
  const database = await createTestDatabase();
  const orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 20 });
  const fork = (): EntityManager => orm.em.fork();
  const feed = new PostgresEventFeed(database.servingUrl, () => {});
  const revocations = new Revocations(fork, feed, { maxStalenessSeconds: 2 }, () => {});
  const endings = new Endings(feed, revocations, { accessTokenTtlSeconds: 60 });
  const { store, probe, close } = await adapter.open(
    endings,
    { refreshGraceSeconds: 30, ...limits },
    database,
  );
  return {
    store,
    endings,
    probe,
    fork,
    /** An account, since sessions belong to one. */
    async aUser() {
      const id = newId();
      await database.query('insert into users (id, username, username_key) values ($1, $2, $2)', [id, id]);
      return id;
    },
    deactivate: (userId: string) =>
      database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [userId]),
    /** Moves the session's times into the past, as the store's own clock would. */
    age: (session: SessionRecord, seconds: number) => probe.age(session.userId, session.id, seconds),
    /** Writes an ending behind the store's back, as if what it holds were an old copy. */
    async endElsewhere({ id, userId, expiresAt }: SessionRecord) {
      await endings.endSessions(fork(), [{ id, userId, expiresAt }]);
    },
    endingsOf: (userId: string) =>
      database.query<{ session_id: string; days: number }>(
        `select session_id, extract(epoch from kept_until - now())::float8 / 86400 as days
         from ending where user_id = $1`,
        [userId],
      ),
    async close() {
      await close();
      await revocations.stop();
      await orm.close();
      await database.drop();
    },
  };
}
type StoreUnderTest = Awaited<ReturnType<typeof prepareOn>>;

const use = { userAgent: 'test', ipAddress: '192.0.2.1' };

/** Every adapter of the session store passes this. The grace is 30 seconds. */
export function sessionStoreContract(adapter: AdapterUnderTest): void {
  const { name, mostLost } = adapter;
  const prepare = (limits: SessionLimits) => prepareOn(adapter, limits);
  describe(`the session store on ${name}`, () => {
    let under: StoreUnderTest;
    let userId: string;
    let session: SessionRecord;

    beforeAll(async () => {
      under = await prepare({ idleTtlSeconds: undefined, maxPerUser: 5 });
    });
    afterAll(() => under.close());
    const create = (ttlSeconds = 3600) =>
      under.store.create(under.fork(), { userId, amr: ['pwd'], aal: 1, ...use, ttlSeconds });
    const aSession = async () => (await create()).session;
    beforeEach(async () => {
      userId = await under.aUser();
      session = await aSession();
    });
    const rotate = (generation: number, of = session) =>
      under.store.rotate(under.fork(), { userId, sessionId: of.id, generation }, use);

    it('keeps what it was given, from generation 0', async () => {
      const found = await under.store.find(under.fork(), userId, session.id);
      expect(found).toEqual(session);
      expect(found).toMatchObject({ userId, generation: 0, amr: ['pwd'], aal: 1, ...use });
      const life = session.expiresAt.getTime() - session.createdAt.getTime();
      expect(Math.abs(life - 3_600_000)).toBeLessThan(1000);
    });

    it('finds a session for its owner only', async () => {
      expect(await under.store.find(under.fork(), await under.aUser(), session.id)).toBeNull();
    });

    it('advances the generation by one, tells where it is used and whose it is, and leaves the expiry alone', async () => {
      const elsewhere = { userAgent: 'Réseau "2"', ipAddress: null };
      const presented = { userId, sessionId: session.id, generation: 0 };
      const rotation = await under.store.rotate(under.fork(), presented, elsewhere);
      expect(rotation).toMatchObject({
        kind: 'rotated',
        session: { generation: 1, expiresAt: session.expiresAt, ...elsewhere },
        subject: { userId, epoch: 0, roles: [] },
        lost: 0,
      });
      expect(await rotate(0)).toMatchObject({ kind: 'repeated', subject: { userId, epoch: 0, roles: [] } });
    });

    it('spends nothing on an account that may not have tokens', async () => {
      await under.deactivate(userId);
      expect(await rotate(0)).toEqual({ kind: 'unknown' });
      expect(await under.probe.generation(userId, session.id)).toBe(0);
    });

    it('lets one of many rotations at once win; the others get the same generation', async () => {
      const rotations = await race(20, () => rotate(0));
      expect(rotations.filter(({ kind }) => kind === 'rotated')).toHaveLength(1);
      expect(rotations.filter(({ kind }) => kind === 'repeated')).toHaveLength(19);
      for (const rotation of rotations) expect(rotation).toMatchObject({ session: { generation: 1 } });
    });

    it('answers the immediate predecessor within the grace only', async () => {
      await rotate(0);
      await under.age(session, 29);
      expect((await rotate(0)).kind).toBe('repeated');
      await under.age(session, 2);
      expect((await rotate(0)).kind).toBe('reused');
    });

    it('answers the immediate predecessor of a step-up until the successor is used: nobody repeats a lost proof', async () => {
      const reference = { userId, sessionId: session.id };
      await rotate(0);
      await under.store.stepUp(under.fork(), reference, { amr: ['pwd'], aal: 1 });
      await under.age(session, 600);
      expect((await rotate(0)).kind).toBe('reused');
      expect(await rotate(1)).toMatchObject({ kind: 'repeated', session: { generation: 2 } });
      expect((await rotate(2)).kind).toBe('rotated');
      expect((await rotate(1)).kind).toBe('reused');
      await under.age(session, 31);
      await under.store.stepUp(under.fork(), reference, { amr: ['pwd'], aal: 1 }, { keepTokens: true });
      expect((await rotate(2)).kind).toBe('reused');
    });

    it('takes a generation before that for reuse at any time', async () => {
      await rotate(0);
      await rotate(1);
      expect((await rotate(0)).kind).toBe('reused');
    });

    it('does not know a generation that the session cannot have reached', async () => {
      expect(await rotate(mostLost + 1)).toEqual({ kind: 'unknown' });
      expect((await under.store.find(under.fork(), userId, session.id))?.generation).toBe(0);
    });

    if (mostLost > 0) {
      it('goes on from a generation that the store lost, once, and says how many it lost', async () => {
        const rotations = await race(20, () => rotate(mostLost));
        const rotated = rotations.filter(({ kind }) => kind === 'rotated');
        expect(rotated).toMatchObject([{ session: { generation: mostLost + 1 }, lost: mostLost }]);
        expect(rotations.filter(({ kind }) => kind === 'repeated')).toHaveLength(19);
        expect(await rotate(mostLost + 1)).toMatchObject({ kind: 'rotated', lost: 0 });
      });
    }

    it('does not know the session of somebody else', async () => {
      const stranger = await under.aUser();
      const rotation = await under.store.rotate(
        under.fork(),
        { userId: stranger, sessionId: session.id, generation: 0 },
        use,
      );
      expect(rotation).toEqual({ kind: 'unknown' });
    });

    it('knows nothing of a session that has expired', async () => {
      await under.age(session, 3601);
      const em = under.fork();
      expect(await under.store.find(em, userId, session.id)).toBeNull();
      expect(await under.store.list(em, userId)).toEqual([]);
      expect(await rotate(0)).toEqual({ kind: 'unknown' });
      expect(
        await under.store.stepUp(em, { userId, sessionId: session.id }, { amr: ['pwd'], aal: 1 }),
      ).toBeNull();
      expect(await under.store.remove(em, userId, session.id)).toBeNull();
    });

    it('lists the most recently used first', async () => {
      const other = await aSession();
      await under.age(other, 60);
      expect((await under.store.list(under.fork(), userId)).map(({ id }) => id)).toEqual([
        session.id,
        other.id,
      ]);
      await rotate(0, other);
      expect((await under.store.list(under.fork(), userId)).map(({ id }) => id)).toEqual([
        other.id,
        session.id,
      ]);
    });

    it('raises the authentication time by a step-up, never lowers the level, and advances the generation', async () => {
      await under.age(session, 600);
      const before = await under.store.find(under.fork(), userId, session.id);
      const reference = { userId, sessionId: session.id };
      const raised = await under.store.stepUp(under.fork(), reference, { amr: ['pwd', 'otp'], aal: 2 });
      expect(raised).toMatchObject({ generation: 1, aal: 2, amr: ['otp', 'pwd'] });
      expect(raised?.authenticatedAt.getTime()).toBeGreaterThan(
        before?.authenticatedAt.getTime() ?? Number.NaN,
      );
      expect(await under.store.stepUp(under.fork(), reference, { amr: ['pwd'], aal: 1 })).toMatchObject({
        aal: 2,
        amr: ['otp', 'pwd'],
      });
    });

    it('leaves the generation by a step-up of a caller who gets no new tokens', async () => {
      const reference = { userId, sessionId: session.id };
      const proof = { amr: ['otp'], aal: 2 };
      const raised = await under.store.stepUp(under.fork(), reference, proof, { keepTokens: true });
      expect(raised).toMatchObject({ generation: 0, aal: 2, amr: ['otp', 'pwd'] });
      expect(await rotate(0)).toMatchObject({ kind: 'rotated' });
    });

    it('lets one of many removals at once have the session, and writes one ending that outlives every copy of it', async () => {
      const removed = await race(20, () =>
        under.endings.transactional(under.fork(), (tx) => under.store.remove(tx, userId, session.id)),
      );
      expect(removed.filter((ended) => ended !== null)).toMatchObject([{ id: session.id, userId }]);
      const [ending, ...more] = await under.endingsOf(userId);
      expect(more).toEqual([]);
      expect(ending?.session_id).toBe(session.id);
      expect(ending?.days).toBeGreaterThan(1);
      expect(ending?.days).toBeLessThan(1.1);
    });

    it('lets go of a session once its ending has committed', async () => {
      await under.endings.transactional(under.fork(), (tx) => under.store.remove(tx, userId, session.id));
      const holds = () => under.probe.count(userId);
      await eventually(holds, (count) => count === 0);
    });

    it('keeps a session whose removal was rolled back', async () => {
      const rolledBack = under.endings.transactional(under.fork(), async (tx) => {
        expect(await under.store.removeAll(tx, userId)).toHaveLength(1);
        expect(await under.store.find(tx, userId, session.id)).toBeNull();
        expect(await under.store.list(tx, userId)).toEqual([]);
        throw new Error('rolled back');
      });
      await expect(rolledBack).rejects.toThrow('rolled back');
      expect(await under.store.find(under.fork(), userId, session.id)).toEqual(session);
      expect((await rotate(0)).kind).toBe('rotated');
    });

    it('does not remove the session of somebody else, also one that a token names', async () => {
      const stranger = await under.aUser();
      for (const options of [{}, { known: true }])
        expect(await under.store.remove(under.fork(), stranger, session.id, options)).toBeNull();
      expect(await under.store.find(under.fork(), userId, session.id)).not.toBeNull();
    });

    const callsOnEnded: Array<[string, (em: EntityManager) => Promise<unknown>, unknown]> = [
      ['find', (em) => under.store.find(em, userId, session.id), null],
      ['list', (em) => under.store.list(em, userId), []],
      ['rotate', () => rotate(0), { kind: 'unknown' }],
      [
        'stepUp',
        (em) => under.store.stepUp(em, { userId, sessionId: session.id }, { amr: ['otp'], aal: 2 }),
        null,
      ],
      ['remove', (em) => under.store.remove(em, userId, session.id), null],
      ['removeAll', (em) => under.store.removeAll(em, userId), []],
    ];
    it.each(callsOnEnded)(
      'knows nothing of a session that has an ending, although it still holds it: %s',
      async (_name, call, nothing) => {
        await under.endElsewhere(session);
        expect(await under.probe.generation(userId, session.id)).toBe(0);
        expect(await call(under.fork())).toEqual(nothing);
        expect([0, undefined]).toContain(await under.probe.generation(userId, session.id));
        expect(await under.endingsOf(userId)).toHaveLength(1);
      },
    );

    it('does not count sessions that have an ending', async () => {
      await under.age(session, 60);
      await under.endElsewhere(await aSession());
      for (let count = 2; count <= 5; count++) expect((await create()).displaced).toEqual([]);
    });

    it('removes all but one, and tells which', async () => {
      const others = [await aSession(), await aSession()];
      const removed = await under.store.removeAll(under.fork(), userId, { except: session.id });
      expect(removed.map(({ id }) => id).sort()).toEqual(others.map(({ id }) => id).sort());
      expect(await under.store.list(under.fork(), userId)).toHaveLength(1);
    });

    it('removes all of a user, and none of anybody else', async () => {
      const stranger = await under.aUser();
      const theirs = await under.store.create(under.fork(), {
        userId: stranger,
        amr: ['pwd'],
        aal: 1,
        ...use,
        ttlSeconds: 3600,
      });
      await aSession();
      expect(await under.store.removeAll(under.fork(), userId)).toHaveLength(2);
      expect(await under.store.list(under.fork(), userId)).toEqual([]);
      expect(await under.endingsOf(userId)).toHaveLength(2);
      expect(await under.store.list(under.fork(), stranger)).toEqual([theirs.session]);
    });

    it('ends each session once, where two removals of all and a removal of one meet', async () => {
      for (let count = 1; count <= 4; count++) await aSession();
      const ended = await race(9, (index) =>
        under.endings.transactional(under.fork(), async (tx) =>
          index % 3 === 0
            ? [await under.store.remove(tx, userId, session.id)].filter((one) => one !== null)
            : under.store.removeAll(tx, userId),
        ),
      );
      expect(ended.flat()).toHaveLength(5);
      expect(await under.endingsOf(userId)).toHaveLength(5);
    });

    it('displaces the oldest session of the user by one more than there may be, and none of anybody else', async () => {
      const stranger = await under.aUser();
      const theirs = await under.store.create(under.fork(), {
        userId: stranger,
        amr: ['pwd'],
        aal: 1,
        ...use,
        ttlSeconds: 3600,
      });
      await under.age(session, 60);
      for (let count = 2; count <= 5; count++) expect((await create()).displaced).toEqual([]);
      expect((await create()).displaced.map(({ id }) => id)).toEqual([session.id]);
      expect((await under.endingsOf(userId)).map(({ session_id }) => session_id)).toEqual([session.id]);
      expect(await under.store.list(under.fork(), userId)).toHaveLength(5);
      expect(await under.store.find(under.fork(), stranger, theirs.session.id)).not.toBeNull();
    });

    it('never displaces the session that it just made, also in a transaction that began before the others', async () => {
      await under.fork().transactional(async (tx) => {
        await under.store.list(tx, userId);
        for (let count = 1; count <= 5; count++) await create();
        const late = { userId, amr: ['pwd'], aal: 1, ...use, ttlSeconds: 3600 };
        const { session: made, displaced } = await under.store.create(tx, late);
        expect(displaced.map(({ id }) => id)).not.toContain(made.id);
        expect(await under.store.find(tx, userId, made.id)).toEqual(made);
      });
    });

    it('does not count sessions that have expired', async () => {
      await under.age(session, 3601);
      for (let count = 1; count <= 5; count++) expect((await create()).displaced).toEqual([]);
    });
  });

  describe(`the session store on ${name} with an idle limit of ten minutes`, () => {
    let under: StoreUnderTest;
    beforeAll(async () => {
      under = await prepare({ idleTtlSeconds: 600, maxPerUser: 50 });
    });
    afterAll(() => under.close());

    it('forgets a session that was not refreshed within it; a refresh starts it anew', async () => {
      const userId = await under.aUser();
      const { session } = await under.store.create(under.fork(), {
        userId,
        amr: ['pwd'],
        aal: 1,
        ...use,
        ttlSeconds: 3600,
      });
      const rotate = (generation: number) =>
        under.store.rotate(under.fork(), { userId, sessionId: session.id, generation }, use);
      await under.age(session, 590);
      expect((await rotate(0)).kind).toBe('rotated');
      await under.age(session, 590);
      expect((await rotate(1)).kind).toBe('rotated');
      await under.age(session, 601);
      expect(await rotate(2)).toEqual({ kind: 'unknown' });
      expect(await under.store.list(under.fork(), userId)).toEqual([]);
    });
  });
}
