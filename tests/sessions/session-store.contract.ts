import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import { newId } from '../../src/platform/id.ts';
import {
  type SessionProof,
  type SessionRecord,
  type SessionStoreOptions,
  type Sighting,
  supersedeTokens,
  type TokenStrength,
} from '../../src/sessions/index.ts';
import { MOST_LOST } from '../../src/sessions/refresh-contract.ts';
import { eventually, race } from '../support/race.ts';
import { type AdapterUnderTest, prepareOn, type StoreUnderTest } from '../support/session-adapters.ts';

const use = { userAgent: 'test', ipAddress: '192.0.2.1' };

/**
 * The contract that every adapter of the session store must pass. Decisions about tokens are tested in
 * refresh-contract.test.ts.
 */
export function sessionStoreContract(adapter: AdapterUnderTest): void {
  const { name } = adapter;
  const prepare = (limits: SessionStoreOptions) => prepareOn(adapter, limits);
  describe(`the session store on ${name}`, () => {
    let under: StoreUnderTest;
    let userId: string;
    let session: SessionRecord;

    beforeAll(async () => {
      under = await prepare({ idleTtlSeconds: undefined, maxPerUser: 5 });
    });
    afterAll(() => under.close());
    const create = (ttlSeconds = 3600) =>
      under.change((tx) => under.store.create(tx, { userId, amr: ['pwd'], aal: 1, ...use, ttlSeconds }));
    const aSession = async () => (await create()).session;
    beforeEach(async () => {
      userId = await under.aUser();
      session = await aSession();
    });
    const look = async () => {
      const found = await under.store.look(under.fork(), { userId, sessionId: session.id });
      if (!found) throw new Error('no such session');
      return found;
    };
    /** The change of an access token with the proofs of the sign-in, or with those in `token`. */
    const supersede = (em: EntityManager, proof?: SessionProof, token: Partial<TokenStrength> = {}) => {
      const signedIn = { amr: ['pwd'], aal: 1, authenticatedAt: Math.floor(Date.now() / 1000) };
      return supersedeTokens(
        under.store,
        em,
        { userId, sessionId: session.id, ...signedIn, ...token },
        { use, proof },
      );
    };
    const stepUp = async (em = under.fork(), proof: SessionProof = { amr: ['pwd'], aal: 1 }) => {
      const outcome = await supersede(em, proof);
      return typeof outcome === 'string' ? null : outcome;
    };
    const rotate = (generation: number, of = session) =>
      under.store.rotate(under.fork(), { userId, sessionId: of.id, generation }, use);

    it('stores the given session, from generation 0', async () => {
      const found = await under.store.find(under.fork(), userId, session.id);
      expect(found).toEqual(session);
      expect(found).toMatchObject({ userId, generation: 0, amr: ['pwd'], aal: 1, ...use });
      const life = session.expiresAt.getTime() - session.createdAt.getTime();
      expect(Math.abs(life - 3_600_000)).toBeLessThan(1000);
    });

    it('finds a session only for its owner', async () => {
      expect(await under.store.find(under.fork(), await under.aUser(), session.id)).toBeNull();
    });

    it('advances the generation by one, stores the place, returns the owner, and keeps the expiry', async () => {
      const elsewhere = { userAgent: 'Réseau "2"', ipAddress: null };
      const presented = { userId, sessionId: session.id, generation: 0 };
      const rotation = await under.store.rotate(under.fork(), presented, elsewhere);
      expect(rotation).toMatchObject({
        kind: 'rotated',
        session: { generation: 1, expiresAt: session.expiresAt, ...elsewhere },
        subject: { userId, epoch: 0, roles: [] },
      });
    });

    it('does not advance for an account that may not get tokens', async () => {
      await under.deactivate(userId);
      expect(await rotate(0)).toEqual({ kind: 'unknown' });
      expect(await under.probe.generation(userId, session.id)).toBe(0);
    });

    it('lets one of many concurrent rotations win, and returns its result to the others', async () => {
      const rotations = await race(20, () => rotate(0));
      expect(rotations.filter(({ kind }) => kind === 'rotated')).toHaveLength(1);
      const others = rotations.filter((rotation) => rotation.kind === 'other');
      expect(others).toHaveLength(19);
      for (const { found } of others) expect(found.session).toMatchObject({ id: session.id, generation: 1 });
    });

    it('returns a session with another generation, with its place and times, and changes nothing', async () => {
      await rotate(0);
      await under.age(session, 10);
      const shown = await rotate(0);
      expect(shown).toMatchObject({
        kind: 'other',
        found: {
          session: { id: session.id, generation: 1 },
          subject: { userId, epoch: 0, roles: [] },
          held: { generation: 1, place: use, notes: {}, seen: false },
        },
      });
      const { held } = shown.kind === 'other' ? shown.found : await look();
      expect(held.now - held.rotatedAt).toBeGreaterThan(9_500);
      expect(held.now - held.rotatedAt).toBeLessThan(20_000);
      expect(await rotate(7)).toMatchObject({ kind: 'other', found: { held: { generation: 1 } } });
      expect((await look()).held.generation).toBe(1);
    });

    it('writes notes for one of several callers that read the same state, and returns null to the others', async () => {
      const found = await look();
      const written = await race(20, (index) =>
        under.store.write(under.fork(), found, { notes: { givenElsewhere: index } }),
      );
      expect(written.filter((record) => record !== null)).toMatchObject([{ generation: 0 }]);
      const { notes } = (await look()).held;
      expect(notes.givenElsewhere).toBe(written.findIndex((record) => record !== null));
      const late = { notes: { givenLate: { generation: 0, at: 1_790_000_000_000 } } };
      expect(await under.store.write(under.fork(), await look(), late)).not.toBeNull();
      expect((await look()).held.notes).toEqual(late.notes);
    });

    it('writes nothing when a rotation or a sighting changed the session since it was read', async () => {
      const before = await look();
      await rotate(0);
      expect(await under.store.write(under.fork(), before, { notes: {} })).toBeNull();
      const between = await look();
      await under.store.markSeen(under.fork(), [{ userId, sessionId: session.id, generation: 1 }]);
      expect(await under.store.write(under.fork(), between, { notes: {} })).toBeNull();
    });

    it('can advance to any generation, stores the place, and keeps the notes', async () => {
      await under.age(session, 60);
      const elsewhere = { userAgent: 'other', ipAddress: '198.51.100.1' };
      const change = { notes: { movedForwardTo: 9 }, advance: { to: 9, use: elsewhere } };
      const advanced = await under.store.write(under.fork(), await look(), change);
      expect(advanced).toMatchObject({ generation: 9, aal: 1, ...elsewhere, expiresAt: expect.any(Date) });
      const { held } = await look();
      expect(held).toMatchObject({ generation: 9, notes: { movedForwardTo: 9 }, place: elsewhere });
      expect(held.now - held.rotatedAt).toBeLessThan(10_000);
    });

    it('notes a sighting once, and only of the current generation', async () => {
      await rotate(0);
      const sighting = (generation: number, sessionId = session.id) => ({ userId, sessionId, generation });
      const mark = (...sightings: Sighting[]) => under.store.markSeen(under.fork(), sightings);
      expect(await mark(sighting(0), sighting(2))).toEqual([]);
      expect((await look()).held.seen).toBe(false);
      const other = await aSession();
      const both = [sighting(1), sighting(0, other.id)];
      expect(await mark(...both)).toEqual(both);
      expect((await look()).held.seen).toBe(true);
      expect(await mark(...both)).toEqual([]);
      await rotate(1);
      expect((await look()).held.seen).toBe(false);
    });

    it('recognises a step-up of a release that wrote no notes', async () => {
      await rotate(0);
      expect((await look()).held.notes).toEqual({});
      await under.probe.stepUpOfEarlierRelease(userId, session.id);
      expect((await look()).held.notes).toEqual({ superseded: { from: 1, to: 2 } });
      await rotate(2);
      expect((await look()).held.notes).toEqual({});
    });

    it('does not rotate the session of another account', async () => {
      const stranger = await under.aUser();
      const rotation = await under.store.rotate(
        under.fork(),
        { userId: stranger, sessionId: session.id, generation: 0 },
        use,
      );
      expect(rotation).toEqual({ kind: 'unknown' });
    });

    it('treats an expired session as missing', async () => {
      await under.age(session, 3601);
      const em = under.fork();
      expect(await under.store.find(em, userId, session.id)).toBeNull();
      expect(await under.store.list(em, userId)).toEqual([]);
      expect(await rotate(0)).toEqual({ kind: 'unknown' });
      expect(await stepUp(em)).toBeNull();
      expect(await under.change((tx) => under.store.remove(tx, userId, session.id))).toBeNull();
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

    it('raises the authentication time by a step-up, and skips every generation that may be lost', async () => {
      await under.age(session, 600);
      const before = await under.store.find(under.fork(), userId, session.id);
      const raised = await stepUp(under.fork(), { amr: ['pwd', 'otp'], aal: 2 });
      expect(raised?.session).toMatchObject({ aal: 2, amr: ['otp', 'pwd'] });
      expect(raised?.session.generation).toBeGreaterThan(MOST_LOST);
      expect(raised?.session.authenticatedAt.getTime()).toBeGreaterThan(
        before?.authenticatedAt.getTime() ?? Number.NaN,
      );
      const again = await stepUp(under.fork(), { amr: ['otp'], aal: 2 });
      const to = again?.session.generation;
      expect((await look()).held).toMatchObject({ generation: to, notes: { superseded: { from: 0, to } } });
    });

    it('advances for a credential change without raising level or time', async () => {
      await under.age(session, 600);
      const before = await under.store.find(under.fork(), userId, session.id);
      expect(await supersede(under.fork())).toMatchObject({
        session: { aal: 1, amr: ['pwd'], authenticatedAt: before?.authenticatedAt },
      });
    });

    it('adds the proof of a step-up to the level of the access token, not to that of the session', async () => {
      await stepUp(under.fork(), { amr: ['otp'], aal: 2 });
      const raised = await look();
      expect(await supersede(under.fork(), { amr: ['pwd'], aal: 1 })).toBe('stronger');
      expect((await look()).session).toEqual(raised.session);
      const byRaised = await supersede(
        under.fork(),
        { amr: ['pwd'], aal: 1 },
        { amr: ['otp', 'pwd'], aal: 2 },
      );
      expect(byRaised).toMatchObject({ session: { aal: 2, amr: ['otp', 'pwd'] } });
    });

    it('leaves a session unchanged when it is stronger than the access token of a credential change', async () => {
      await stepUp(under.fork(), { amr: ['otp'], aal: 2 });
      const raised = await look();
      const now = Math.floor(raised.session.authenticatedAt.getTime() / 1000);
      const both = ['otp', 'pwd'];
      for (const weaker of [
        { amr: both, aal: 1, authenticatedAt: now },
        { amr: both, aal: 2, authenticatedAt: now - 1 },
        { amr: ['pwd'], aal: 2, authenticatedAt: now },
      ]) {
        expect(await supersede(under.fork(), undefined, weaker)).toBe('stronger');
      }
      expect((await look()).session).toEqual(raised.session);
      expect(
        await supersede(under.fork(), undefined, { amr: both, aal: 2, authenticatedAt: now }),
      ).toMatchObject({ session: { aal: 2 } });
    });

    it('advances for each of many concurrent step-ups and rotations', async () => {
      const raced = await race(10, async (index) => {
        if (index % 2 === 1) return (await stepUp())?.session.generation;
        const rotation = await rotate(0);
        return rotation.kind === 'rotated' ? rotation.session.generation : null;
      });
      const generations = raced.filter((generation) => generation != null);
      expect(new Set(generations).size).toBe(generations.length);
      expect(raced.filter((_, index) => index % 2 === 1)).not.toContain(undefined);
      expect((await look()).held.generation).toBe(Math.max(...generations));
    });

    it('lets one of many concurrent removals succeed, and writes one revocation that outlives every copy of the session', async () => {
      const removed = await race(20, () => under.change((tx) => under.store.remove(tx, userId, session.id)));
      expect(removed.filter((ended) => ended !== null)).toMatchObject([{ id: session.id, userId }]);
      const [ending, ...more] = await under.revocationsOf(userId);
      expect(more).toEqual([]);
      expect(ending?.session_id).toBe(session.id);
      expect(ending?.days).toBeGreaterThan(1);
      expect(ending?.days).toBeLessThan(1.1);
    });

    it('deletes a session after its revocation has committed', async () => {
      await under.change((tx) => under.store.remove(tx, userId, session.id));
      const holds = () => under.probe.count(userId);
      await eventually(holds, (count) => count === 0);
    });

    it('keeps a session whose removal was rolled back', async () => {
      const rolledBack = under.change(async (tx) => {
        expect(await under.store.removeAll(tx, userId)).toHaveLength(1);
        expect(await under.store.find(tx, userId, session.id)).toBeNull();
        expect(await under.store.list(tx, userId)).toEqual([]);
        throw new Error('rolled back');
      });
      await expect(rolledBack).rejects.toThrow('rolled back');
      expect(await under.store.find(under.fork(), userId, session.id)).toEqual(session);
      expect((await rotate(0)).kind).toBe('rotated');
    });

    it('does not remove the session of another account', async () => {
      const stranger = await under.aUser();
      expect(await under.change((tx) => under.store.remove(tx, stranger, session.id))).toBeNull();
      expect(await under.store.find(under.fork(), userId, session.id)).not.toBeNull();
    });

    it('ends a session that it has lost once when a genuine token names it, and otherwise finds none', async () => {
      const lost = newId();
      const remove = (options?: { known: boolean }) =>
        under.change((tx) => under.store.remove(tx, userId, lost, options));
      expect(await remove()).toBeNull();
      const ended = await race(20, () => remove({ known: true }));
      expect(ended.filter((one) => one !== null)).toMatchObject([{ id: lost, userId }]);
      expect((await under.revocationsOf(userId)).map(({ session_id }) => session_id)).toEqual([lost]);
    });

    it('writes no second revocation for an ended session', async () => {
      const remove = () => under.change((tx) => under.store.remove(tx, userId, session.id, { known: true }));
      expect([await remove(), await remove()]).toMatchObject([{ id: session.id }, null]);
      expect(await under.revocationsOf(userId)).toHaveLength(1);
    });

    const callsOnEnded: Array<[string, (em: EntityManager) => Promise<unknown>, unknown]> = [
      ['find', (em) => under.store.find(em, userId, session.id), null],
      ['list', (em) => under.store.list(em, userId), []],
      ['rotate', () => rotate(0), { kind: 'unknown' }],
      ['look', (em) => under.store.look(em, { userId, sessionId: session.id }), null],
      ['a step-up', (em) => stepUp(em), null],
      ['remove', () => under.change((tx) => under.store.remove(tx, userId, session.id)), null],
      ['removeAll', () => under.change((tx) => under.store.removeAll(tx, userId)), []],
    ];
    it.each(callsOnEnded)(
      'treats a session with a revocation as missing, although the store still has it: %s',
      async (_name, call, nothing) => {
        await under.endElsewhere(session);
        expect(await under.probe.generation(userId, session.id)).toBe(0);
        expect(await call(under.fork())).toEqual(nothing);
        expect([0, undefined]).toContain(await under.probe.generation(userId, session.id));
        expect(await under.revocationsOf(userId)).toHaveLength(1);
      },
    );

    it('does not count sessions with a revocation', async () => {
      await under.age(session, 60);
      await under.endElsewhere(await aSession());
      for (let count = 2; count <= 5; count++) expect((await create()).displaced).toEqual([]);
    });

    it('removes all sessions except one, and returns the removed ones', async () => {
      const others = [await aSession(), await aSession()];
      const removed = await under.change((tx) => under.store.removeAll(tx, userId, { except: session.id }));
      expect(removed.map(({ id }) => id).sort()).toEqual(others.map(({ id }) => id).sort());
      expect(await under.store.list(under.fork(), userId)).toHaveLength(1);
    });

    it('removes all sessions of a user, and none of other users', async () => {
      const stranger = await under.aUser();
      const theirs = await under.change((tx) =>
        under.store.create(tx, {
          userId: stranger,
          amr: ['pwd'],
          aal: 1,
          ...use,
          ttlSeconds: 3600,
        }),
      );
      await aSession();
      expect(await under.change((tx) => under.store.removeAll(tx, userId))).toHaveLength(2);
      expect(await under.store.list(under.fork(), userId)).toEqual([]);
      expect(await under.revocationsOf(userId)).toHaveLength(2);
      expect(await under.store.list(under.fork(), stranger)).toEqual([theirs.session]);
    });

    it('ends each session once, when two removals of all and a removal of one run at once', async () => {
      for (let count = 1; count <= 4; count++) await aSession();
      const ended = await race(9, (index) =>
        under.change(async (tx) =>
          index % 3 === 0
            ? [await under.store.remove(tx, userId, session.id)].filter((one) => one !== null)
            : under.store.removeAll(tx, userId),
        ),
      );
      expect(ended.flat()).toHaveLength(5);
      expect(await under.revocationsOf(userId)).toHaveLength(5);
    });

    it('evicts the oldest session of a user over the limit, and none of other users', async () => {
      const stranger = await under.aUser();
      const theirs = await under.change((tx) =>
        under.store.create(tx, {
          userId: stranger,
          amr: ['pwd'],
          aal: 1,
          ...use,
          ttlSeconds: 3600,
        }),
      );
      await under.age(session, 60);
      for (let count = 2; count <= 5; count++) expect((await create()).displaced).toEqual([]);
      expect((await create()).displaced.map(({ id }) => id)).toEqual([session.id]);
      expect((await under.revocationsOf(userId)).map(({ session_id }) => session_id)).toEqual([session.id]);
      expect(await under.store.list(under.fork(), userId)).toHaveLength(5);
      expect(await under.store.find(under.fork(), stranger, theirs.session.id)).not.toBeNull();
    });

    it('never evicts the session that it just made, even in a transaction that began before the others', async () => {
      await under.change(async (tx) => {
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

    it('deletes a session that was not refreshed within it, and each refresh starts it again', async () => {
      const userId = await under.aUser();
      const { session } = await under.change((tx) =>
        under.store.create(tx, {
          userId,
          amr: ['pwd'],
          aal: 1,
          ...use,
          ttlSeconds: 3600,
        }),
      );
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
