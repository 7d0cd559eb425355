import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from '../support/client.ts';
import type { TestGateway } from '../support/gateway.ts';
import {
  LogoutDocument,
  RevokeOtherSessionsDocument,
  RevokeSessionDocument,
  SessionsDocument,
} from '../support/generated/operations.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';
import type { Subject } from '../support/subject.ts';

/** The device cookie stays, since it is no credential. */
const tokenCookies = ({ cookies }: Client) =>
  [...cookies.keys()].filter((name) => !name.endsWith('gatehouse_device'));

describe.each(STORES)('with sessions in %s', (store) => {
  let on: GatewayOnStore;
  let gateway: TestGateway;
  let alice: Subject;

  beforeAll(async () => {
    on = await startOn(store, { PUBLIC_URL: 'https://auth.example.test' });
    gateway = on.gateway;
    alice = await gateway.aSubject();
  });
  afterAll(() => on.close());

  describe('logout', () => {
    it('ends the session of the access token, so that its access and refresh tokens are refused at once', async () => {
      const { accessToken, refreshToken } = await alice.signedIn();
      const reply = await gateway.client.execute(LogoutDocument, {}, { bearer: accessToken });
      expect(reply.data).toEqual({ logout: true });
      expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
      expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    });

    it('ends the session of the refresh token in the argument, even when it was rotated since', async () => {
      const { accessToken, refreshToken } = await alice.signedIn();
      await alice.refresh(refreshToken);
      await gateway.client.execute(LogoutDocument, { refreshToken });
      expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    });

    it('ends the session of the cookies, and clears them with the attributes with which they were set', async () => {
      const browser = gateway.browser();
      const { accessToken } = await alice.signedIn({ client: browser });
      expect(tokenCookies(browser)).toHaveLength(2);
      const reply = await browser.execute(
        LogoutDocument,
        {},
        { headers: { origin: 'https://auth.example.test' } },
      );
      expect(reply.headers.getSetCookie()).toHaveLength(2);
      for (const cookie of reply.headers.getSetCookie()) {
        expect(cookie).toMatch(/^__Host-gatehouse_\w+=; Max-Age=0; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
      }
      expect(tokenCookies(browser)).toEqual([]);
      expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    });

    it('ends the session of an expired access token', async () => {
      const { accessToken, refreshToken } = await alice.signedIn();
      const later = await gateway.another();
      try {
        later.clock.advance(4_000);
        await later.client.execute(LogoutDocument, {}, { bearer: accessToken });
        expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
      } finally {
        await later.close();
      }
    });

    it('returns true again, and also with a foreign token and without a token', async () => {
      const { accessToken } = await alice.signedIn();
      for (const bearer of [accessToken, accessToken, 'foreign.access.token', 'x'.repeat(98), undefined]) {
        expect((await gateway.client.execute(LogoutDocument, {}, { bearer })).data).toEqual({ logout: true });
      }
    });

    it('keeps the cookies when the session could not be ended, so that the client can retry', async () => {
      const browser = gateway.browser();
      await alice.signedIn({ client: browser });
      const owner = await gateway.database.connect();
      await owner.query('begin');
      await owner.query('lock table ending in access exclusive mode');
      const reply = await browser.execute(LogoutDocument, {});
      await owner.query('rollback');
      await owner.end();
      expect([reply.status, reply.code, tokenCookies(browser).length]).toEqual([
        503,
        'SERVICE_UNAVAILABLE',
        2,
      ]);
      await browser.execute(LogoutDocument, {});
      expect(tokenCookies(browser)).toEqual([]);
    });

    it('does not affect the other sessions of the account', async () => {
      const [one, two] = [await alice.signedIn(), await alice.signedIn()];
      await gateway.client.execute(LogoutDocument, {}, { bearer: one.accessToken });
      expect((await alice.me(two.accessToken)).errors).toEqual([]);
    });
  });

  describe('the list of sessions', () => {
    it('shows where the account is signed in, marks the current session, and has no tokens', async () => {
      const bob = await gateway.aSubject();
      const phone = await bob.signedIn({ headers: { 'user-agent': 'Phone/1.0' } });
      const laptop = await bob.signedIn({ headers: { 'user-agent': 'Laptop/2.0' } });
      const { data, text } = await gateway.client.execute(
        SessionsDocument,
        {},
        { bearer: laptop.accessToken },
      );
      expect(data?.sessions.map(({ id, current, userAgent }) => ({ id, current, userAgent }))).toEqual([
        { id: laptop.sessionId, current: true, userAgent: 'Laptop/2.0' },
        { id: phone.sessionId, current: false, userAgent: 'Phone/1.0' },
      ]);
      expect(data?.sessions[0]).toMatchObject({
        aal: 1,
        authenticationMethods: ['pwd'],
        ipAddress: '127.0.0.1',
      });
      expect(text).not.toContain(phone.refreshToken);
    });

    it('shows no sessions of other accounts', async () => {
      const bob = await gateway.aSubject();
      const { accessToken } = await bob.signedIn();
      const { data } = await gateway.client.execute(SessionsDocument, {}, { bearer: accessToken });
      expect(data?.sessions).toHaveLength(1);
    });
  });

  describe('revoking', () => {
    it('ends one session by its id', async () => {
      const [here, there] = [await alice.signedIn(), await alice.signedIn()];
      const revoke = () =>
        gateway.client.execute(RevokeSessionDocument, { id: there.sessionId }, { bearer: here.accessToken });
      expect((await revoke()).data).toEqual({ revokeSession: true });
      expect((await alice.me(there.accessToken)).code).toBe('UNAUTHENTICATED');
      expect((await revoke()).code).toBe('NOT_FOUND');
    });

    it("answers the same for another account's session as for one that does not exist", async () => {
      const here = await alice.signedIn();
      const stranger = await (await gateway.aSubject()).signedIn();
      const ids = [stranger.sessionId, '01890000-0000-7000-8000-000000000000', 'not-an-id', "' or true --"];
      for (const id of ids) {
        const reply = await gateway.client.execute(
          RevokeSessionDocument,
          { id },
          { bearer: here.accessToken },
        );
        expect(reply.errors).toMatchObject([{ message: 'Not found.', extensions: { code: 'NOT_FOUND' } }]);
      }
    });

    it('ends every other session and returns their number', async () => {
      const bob = await gateway.aSubject();
      const others = [await bob.signedIn(), await bob.signedIn(), await bob.signedIn()];
      const here = await bob.signedIn();
      const reply = await gateway.client.execute(
        RevokeOtherSessionsDocument,
        {},
        { bearer: here.accessToken },
      );
      expect(reply.data).toEqual({ revokeOtherSessions: 3 });
      for (const { accessToken } of others) expect((await bob.me(accessToken)).code).toBe('UNAUTHENTICATED');
      expect((await bob.me(here.accessToken)).errors).toEqual([]);
    });
  });
});
