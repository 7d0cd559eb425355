import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '../support/client.ts';
import type { TestGateway } from '../support/gateway.ts';
import { race } from '../support/race.ts';
import { isSeen } from '../support/session-probe.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';
import { tokensOf } from '../support/subject.ts';

describe.each(STORES)('with sessions in %s', (store) => {
  let on: GatewayOnStore;
  let gateway: TestGateway;
  let second: TestGateway;

  beforeAll(async () => {
    on = await startOn(store);
    gateway = on.gateway;
    second = await gateway.another();
  });
  afterAll(async () => {
    await second.close();
    await on.close();
  });

  describe('a refresh token', () => {
    it('is replaced by each use, while the session keeps its id and its expiry', async () => {
      const alice = await gateway.aSubject();
      const first = await alice.login();
      const before = tokensOf(first);
      const reply = await alice.refresh(before.refreshToken);
      const after = tokensOf(reply);
      expect(after.refreshToken).not.toBe(before.refreshToken);
      expect(after.sessionId).toBe(before.sessionId);
      const login = first.data?.login;
      expect(login && 'session' in login && login.session.expiresAt).toBe(
        reply.data?.refresh.session.expiresAt,
      );
    });

    it('used twenty times at once over two processes gets one successor, and the generation advances by one', async () => {
      for (let round = 0; round < 5; round++) {
        const alice = await gateway.aSubject();
        const { refreshToken, sessionId } = await alice.signedIn();
        const clients = [gateway.client, new Client(second.url)];
        const replies = await race(20, (index) => alice.refresh(refreshToken, clients[index % 2]));
        expect(new Set(replies.map((reply) => tokensOf(reply).refreshToken)).size).toBe(1);
        expect(await on.sessions.generation(alice.id, sessionId)).toBe(1);
      }
    });

    it('that was just used gets the same successor again within the grace', async () => {
      const alice = await gateway.aSubject();
      const { refreshToken, sessionId } = await alice.signedIn();
      const successor = tokensOf(await alice.refresh(refreshToken)).refreshToken;
      await on.sessions.age(alice.id, sessionId, 29);
      expect(tokensOf(await alice.refresh(refreshToken)).refreshToken).toBe(successor);
    });

    it('presented after the grace and after the use of its successor ends the session, and stores the revocation', async () => {
      const alice = await gateway.aSubject();
      const { refreshToken, accessToken, sessionId } = await alice.signedIn();
      const renewed = tokensOf(await alice.refresh(refreshToken));
      expect((await alice.me(renewed.accessToken)).errors).toEqual([]);
      await isSeen(on.sessions, alice.id, sessionId, 1);
      await on.sessions.age(alice.id, sessionId, 31);
      expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
      expect((await alice.refresh(renewed.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
      expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
      expect(await on.sessions.generation(alice.id, sessionId)).toBeUndefined();
    });

    it('of two generations ago ends the session even within the grace', async () => {
      const alice = await gateway.aSubject();
      const { refreshToken } = await alice.signedIn();
      const next = tokensOf(await alice.refresh(refreshToken)).refreshToken;
      const newest = tokensOf(await alice.refresh(next)).refreshToken;
      expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
      expect((await alice.refresh(newest)).code).toBe('INVALID_REFRESH_TOKEN');
    });

    it('that is reused ends only its own session, and leaves one event in the audit trail', async () => {
      const alice = await gateway.aSubject();
      const stolen = await alice.signedIn();
      const other = await alice.signedIn();
      await alice.me(tokensOf(await alice.refresh(stolen.refreshToken)).accessToken);
      await isSeen(on.sessions, alice.id, stolen.sessionId, 1);
      await on.sessions.age(alice.id, stolen.sessionId, 31);
      await race(10, () => alice.refresh(stolen.refreshToken));
      expect((await alice.refresh(other.refreshToken)).errors).toEqual([]);
      const events = await gateway.database.query(
        `select outcome, details from audit_event where subject_id = $1 and action = 'session.refresh_reused'`,
        [alice.id],
      );
      expect(events).toEqual([
        { outcome: 'FAILURE', details: { sessionId: stolen.sessionId, presented: 0, current: 1 } },
      ]);
    });

    it('of a session that has expired is refused, however often it was rotated', async () => {
      const alice = await gateway.aSubject();
      const { refreshToken, sessionId } = await alice.signedIn();
      const successor = tokensOf(await alice.refresh(refreshToken)).refreshToken;
      await on.sessions.age(alice.id, sessionId, 5_184_001);
      expect((await alice.refresh(successor)).code).toBe('INVALID_REFRESH_TOKEN');
    });

    it('of a deactivated account is refused', async () => {
      const alice = await gateway.aSubject();
      const { refreshToken } = await alice.signedIn();
      await gateway.database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [alice.id]);
      expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
      const alarms = await gateway.database.query(
        `select from audit_event where subject_id = $1 and action = 'session.refresh_reused'`,
        [alice.id],
      );
      expect(alarms).toEqual([]);
    });

    it('of a session with a revocation is refused, even while the store still has the session', async () => {
      const alice = await gateway.aSubject();
      const { refreshToken, sessionId } = await alice.signedIn();
      await gateway.database.query(
        `insert into ending (kind, session_id, user_id, matters_until, kept_until)
       values ('SESSION', $1, $2, now(), now() + interval '60 days')`,
        [sessionId, alice.id],
      );
      expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    });
  });

  describe('the refresh token of a request', () => {
    it('is the argument, before all other places', async () => {
      const alice = await gateway.aSubject();
      const one = await alice.signedIn();
      const two = await alice.signedIn();
      const reply = await gateway.client.raw(
        'mutation ($t: String) { refresh(refreshToken: $t) { session { id } } }',
        { t: one.refreshToken },
        { bearer: two.refreshToken },
      );
      expect(reply.data).toEqual({ refresh: { session: { id: one.sessionId } } });
    });

    it('is the header when that has the form of a refresh token', async () => {
      const alice = await gateway.aSubject();
      const { refreshToken, sessionId } = await alice.signedIn();
      const reply = await gateway.client.raw(
        'mutation { refresh { session { id } } }',
        {},
        { bearer: refreshToken },
      );
      expect(reply.data).toEqual({ refresh: { session: { id: sessionId } } });
    });

    it('is the cookie, even with an expired access token in the header', async () => {
      const browser = gateway.browser();
      const alice = await gateway.aSubject();
      const { sessionId } = await alice.signedIn({ client: browser });
      const reply = await browser.raw(
        'mutation { refresh { session { id } } }',
        {},
        { bearer: 'a.stale.token' },
      );
      expect(reply.data).toEqual({ refresh: { session: { id: sessionId } } });
    });

    it('is required: INVALID_REFRESH_TOKEN', async () => {
      expect((await gateway.client.raw('mutation { refresh { expiresIn } }')).code).toBe(
        'INVALID_REFRESH_TOKEN',
      );
    });
  });
});
