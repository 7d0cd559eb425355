import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { SessionRecord, SessionStore } from '../../src/sessions/index.ts';
import { race } from '../support/race.ts';

/** What the contract needs to try an adapter out. */
export interface StoreUnderTest {
  readonly store: SessionStore;
  fork(): EntityManager;
  /** An account, since sessions belong to one. */
  aUser(): Promise<string>;
  /** Moves the session's times into the past, as the store's own clock would. */
  age(session: SessionRecord, seconds: number): Promise<void>;
  close(): Promise<void>;
}

/** Beside the grace of 30 seconds. */
export interface SessionLimits {
  readonly idleTtlSeconds: number | undefined;
  readonly maxPerUser: number;
}

const use = { userAgent: 'test', ipAddress: '192.0.2.1' };

/** Every adapter of the session store passes this. The grace is 30 seconds. */
export function sessionStoreContract(
  name: string,
  prepare: (limits: SessionLimits) => Promise<StoreUnderTest>,
): void {
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

    it('advances the generation by one, and leaves the expiry alone', async () => {
      const rotation = await rotate(0);
      expect(rotation).toMatchObject({
        kind: 'rotated',
        session: { generation: 1, expiresAt: session.expiresAt },
      });
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

    it('takes a generation before that for reuse at any time', async () => {
      await rotate(0);
      await rotate(1);
      expect((await rotate(0)).kind).toBe('reused');
    });

    it('does not know a generation that the session has not reached', async () => {
      expect(await rotate(1)).toEqual({ kind: 'unknown' });
      expect((await under.store.find(under.fork(), userId, session.id))?.generation).toBe(0);
    });

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

    it('lets one of many removals at once have the session', async () => {
      const removed = await race(20, () => under.store.remove(under.fork(), userId, session.id));
      expect(removed.filter((record) => record !== null)).toHaveLength(1);
    });

    it('removes all but one, and tells which', async () => {
      const others = [await aSession(), await aSession()];
      const removed = await under.store.removeAll(under.fork(), userId, { except: session.id });
      expect(removed.map(({ id }) => id).sort()).toEqual(others.map(({ id }) => id).sort());
      expect(await under.store.list(under.fork(), userId)).toHaveLength(1);
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
