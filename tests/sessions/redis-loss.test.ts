/** @timing: expects answers within a second while Redis is away */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangePasswordDocument,
  LogoutDocument,
  ReauthenticateDocument,
  RevokeOtherSessionsDocument,
  RevokeSessionDocument,
  SessionsDocument,
} from '../support/generated/operations.ts';
import { elapse, eventually, race } from '../support/race.ts';
import { hasRedis, TestRedis } from '../support/redis.ts';
import { isSeen, probeRedis, type SessionProbe } from '../support/session-probe.ts';
import { type Subject, type Tokens, tokensOf } from '../support/subject.ts';

(hasRedis ? describe : describe.skip)('a session store in a Redis that loses data', () => {
  let redis: TestRedis;
  let gateway: TestGateway;
  let sessions: SessionProbe;
  let alice: Subject;

  beforeAll(async () => {
    redis = await TestRedis.start();
    gateway = await TestGateway.start({ SESSION_STORE: 'redis', REDIS_URL: redis.url });
    sessions = probeRedis(redis.url);
  });
  afterAll(async () => {
    await gateway.close();
    await redis.close();
  });
  beforeEach(async () => {
    alice = await gateway.aSubject();
  });

  const isBack = () =>
    eventually(
      () => gateway.isReady(),
      (ready) => ready,
    );
  const logout = (bearer: string) => gateway.client.execute(LogoutDocument, {}, { bearer });
  const refused = async ({ accessToken, refreshToken }: Tokens) => {
    expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
  };
  const events = async (action: string) =>
    (
      await gateway.database.query<{ details: unknown }>(
        'select details from audit_event where subject_id = $1 and action = $2',
        [alice.id, action],
      )
    ).map(({ details }) => details);

  /** The current Redis data of the account, to be restored later like an old snapshot or a lagging replica. */
  const snapshot = async () => {
    const key = `gatehouse:sessions:{${alice.id}}`;
    const held = await redis.command('HGETALL', key);
    const fields = Array.isArray(held) ? held : Object.entries(held as object).flat();
    return async () => {
      await redis.command('DEL', key);
      await redis.command('HSET', key, ...fields.map(String));
      await redis.command('PEXPIRE', key, '600000');
    };
  };

  it('ends all sessions and revives none when it was emptied', async () => {
    const [gone, kept] = [await alice.signedIn(), await alice.signedIn()];
    await logout(gone.accessToken);
    await redis.command('FLUSHALL');
    await refused(gone);
    expect((await alice.refresh(kept.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    expect((await alice.me(kept.accessToken)).errors).toEqual([]);
    expect(await events('session.refresh_reused')).toEqual([]);
    expect((await alice.refresh((await alice.signedIn()).refreshToken)).errors).toEqual([]);
  });

  it('can end a session that it has lost', async () => {
    const lost = await alice.signedIn();
    await redis.command('FLUSHALL');
    await logout(lost.accessToken);
    expect((await alice.me(lost.accessToken)).code).toBe('UNAUTHENTICATED');
    const another = await alice.signedIn();
    await redis.command('FLUSHALL');
    await gateway.client.execute(LogoutDocument, { refreshToken: another.refreshToken });
    expect((await alice.me(another.accessToken)).code).toBe('UNAUTHENTICATED');
  });

  it('does not revive sessions that ended in any way, when it returns to an older state', async () => {
    const [loggedOut, revoked, other, here] = [
      await alice.signedIn(),
      await alice.signedIn(),
      await alice.signedIn(),
      await alice.signedIn(),
    ];
    const stolen = await alice.signedIn();
    const current = tokensOf(await alice.refresh(stolen.refreshToken));
    expect((await alice.me(current.accessToken)).errors).toEqual([]);
    await isSeen(sessions, alice.id, stolen.sessionId, 1);
    await sessions.age(alice.id, stolen.sessionId, 31);
    const restore = await snapshot();

    await alice.refresh(stolen.refreshToken);
    await logout(loggedOut.accessToken);
    const bearer = here.accessToken;
    await gateway.client.execute(RevokeSessionDocument, { id: revoked.sessionId }, { bearer });
    const changed = await gateway.client.execute(
      ChangePasswordDocument,
      { currentPassword: alice.password, newPassword: 'velvet anchor rising' },
      { bearer },
    );
    expect(changed.errors).toEqual([]);
    await eventually(
      () => sessions.count(alice.id),
      (count) => count === 1,
    );

    await restore();
    const { data } = await gateway.client.execute(SessionsDocument, {}, { bearer });
    expect(data?.sessions.map(({ id }) => id)).toEqual([here.sessionId]);
    await restore();
    for (const tokens of [loggedOut, revoked, other, current]) await refused(tokens);
    const again = await gateway.client.execute(RevokeSessionDocument, { id: other.sessionId }, { bearer });
    expect(again.code).toBe('NOT_FOUND');
    expect((await alice.refresh(here.refreshToken)).errors).toEqual([]);
    expect(await events('session.refresh_reused')).toHaveLength(1);
    expect(await events('session.ended')).toHaveLength(3);
  });

  it('continues once from the presented token after it lost the last refreshes, which is audited but not as theft', async () => {
    const { refreshToken, sessionId } = await alice.signedIn();
    const restore = await snapshot();
    let latest = refreshToken;
    for (let round = 0; round < 3; round++) latest = tokensOf(await alice.refresh(latest)).refreshToken;
    await restore();

    const replies = await race(10, () => alice.refresh(latest));
    const [moved, ...more] = replies.filter(({ errors }) => errors.length === 0);
    expect(more).toEqual([]);
    const refused = replies.filter(({ code }) => code === 'REFRESH_TOKEN_SUPERSEDED');
    expect(refused).toHaveLength(9);
    expect(await sessions.generation(alice.id, sessionId)).toBe(4);
    expect(await events('session.refresh_moved_forward')).toEqual([{ sessionId, presented: 3, lost: 3 }]);
    expect(await events('session.refresh_reused')).toEqual([]);
    expect((await alice.refresh(moved?.data?.refresh.refreshToken ?? '')).errors).toEqual([]);
  });

  it('refuses a token that is further ahead than a failover can explain, and changes nothing', async () => {
    const { refreshToken, sessionId } = await alice.signedIn();
    const restore = await snapshot();
    let latest = refreshToken;
    for (let round = 0; round < 17; round++) latest = tokensOf(await alice.refresh(latest)).refreshToken;
    await restore();
    expect((await alice.refresh(latest)).code).toBe('INVALID_REFRESH_TOKEN');
    expect(await sessions.generation(alice.id, sessionId)).toBe(0);
  });

  it('keeps no data forever, and no tokens', async () => {
    const { accessToken, refreshToken } = await alice.signedIn();
    const renewed = tokensOf(await alice.refresh(refreshToken));
    await gateway.client.execute(
      ReauthenticateDocument,
      { password: alice.password },
      { bearer: accessToken },
    );
    const keys = (await redis.command('KEYS', '*')) as string[];
    expect(keys).toContain(`gatehouse:sessions:{${alice.id}}`);
    for (const key of keys) expect(Number(await redis.command('PTTL', key))).toBeGreaterThan(0);
    const held = JSON.stringify(await redis.command('HGETALL', `gatehouse:sessions:{${alice.id}}`));
    for (const token of [refreshToken, renewed.refreshToken]) {
      expect(held).not.toContain(token.slice(-43));
      expect(held).not.toContain(Buffer.from(token, 'base64url').subarray(-32).toString('hex'));
    }
  });

  it('keeps no session of a sign-in that the audit trail could not record', async () => {
    await gateway.database.query(
      `alter table audit_event add constraint refused check (action <> 'session.created') not valid`,
    );
    expect((await alice.login()).code).toBe('INTERNAL_SERVER_ERROR');
    await gateway.database.query('alter table audit_event drop constraint refused');
    await eventually(
      () => sessions.count(alice.id),
      (count) => count === 0,
    );
  });

  it.each(['login', 'refresh', 'reauthenticate'] as const)(
    'executes nothing late after it hung during a %s that failed within a second',
    async (name) => {
      const { accessToken: bearer, refreshToken, sessionId } = await alice.signedIn();
      const { password } = alice;
      let current = refreshToken;
      const calls = {
        login: () => alice.login(),
        refresh: async () => {
          const reply = await alice.refresh(current);
          if (reply.data) current = tokensOf(reply).refreshToken;
          return reply;
        },
        reauthenticate: async () => {
          const reply = await gateway.client.execute(ReauthenticateDocument, { password }, { bearer });
          if (reply.data) current = tokensOf(reply).refreshToken;
          return reply;
        },
      };
      // Redis must know the scripts, or it would refuse the waiting command for another reason.
      for (const call of [calls.login, calls.reauthenticate, calls.refresh])
        expect((await call()).errors).toEqual([]);
      const generation = await sessions.generation(alice.id, sessionId);
      redis.freeze();
      try {
        const before = performance.now();
        expect((await calls[name]()).code).toBe('SERVICE_UNAVAILABLE');
        expect(performance.now() - before).toBeLessThan(1_000);
        await elapse(50, 'Redis finds the script after its deadline');
      } finally {
        redis.thaw();
      }
      await isBack();
      expect(await sessions.count(alice.id)).toBe(2);
      expect(await sessions.generation(alice.id, sessionId)).toBe(generation);
    },
  );

  describe.each(['killed', 'frozen'])('while Redis is %s', (state) => {
    const away = async () => {
      if (state === 'frozen') return redis.freeze();
      // The data that a Redis with a disk restores.
      await redis.command('SAVE');
      await redis.kill();
    };
    const back = async () => {
      if (state === 'frozen') redis.thaw();
      else await redis.restart();
      await isBack();
    };

    it('operations that need it answer SERVICE_UNAVAILABLE within a second, others work, and all work afterwards', async () => {
      const [here, there, leaving] = [await alice.signedIn(), await alice.signedIn(), await alice.signedIn()];
      const bearer = here.accessToken;
      const needy = {
        login: () => alice.login(),
        refresh: () => alice.refresh(here.refreshToken),
        sessions: () => gateway.client.execute(SessionsDocument, {}, { bearer }),
        revokeSession: () =>
          gateway.client.execute(RevokeSessionDocument, { id: there.sessionId }, { bearer }),
        revokeOtherSessions: () => gateway.client.execute(RevokeOtherSessionsDocument, {}, { bearer }),
        reauthenticate: () =>
          gateway.client.execute(ReauthenticateDocument, { password: alice.password }, { bearer }),
        changePassword: () =>
          gateway.client.execute(
            ChangePasswordDocument,
            { currentPassword: alice.password, newPassword: 'velvet anchor rising' },
            { bearer },
          ),
      };
      const timed = async (call: () => Promise<{ status: number; code: unknown }>) => {
        const before = performance.now();
        const { status, code } = await call();
        return { status, code, inTime: performance.now() - before < 1_000 };
      };
      await away();
      try {
        for (const [name, call] of Object.entries(needy)) {
          const answer = await timed(call);
          expect([name, answer]).toEqual([name, { status: 503, code: 'SERVICE_UNAVAILABLE', inTime: true }]);
        }
        expect((await alice.me(bearer)).errors).toEqual([]);
        // A caller with the token may end its session, without waiting for Redis.
        expect(await timed(() => logout(leaving.accessToken))).toEqual({
          status: 200,
          code: undefined,
          inTime: true,
        });
        expect((await alice.me(leaving.accessToken)).code).toBe('UNAUTHENTICATED');
      } finally {
        await back();
      }
      expect((await alice.refresh(leaving.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
      for (const { refreshToken } of [here, there])
        expect((await alice.refresh(refreshToken)).errors).toEqual([]);
      for (const call of [needy.sessions, needy.login]) expect((await call()).errors).toEqual([]);
      expect(await events('session.refresh_reused')).toEqual([]);
      expect(await events('session.ended')).toEqual([{ sessionId: leaving.sessionId }]);
    });
  });
});
