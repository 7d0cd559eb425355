import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import type { TestGateway } from '../support/gateway.ts';
import { ReauthenticateDocument } from '../support/generated/operations.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';
import type { Subject } from '../support/subject.ts';

describe.each(STORES)('with sessions in %s', (store) => {
  let on: GatewayOnStore;
  let gateway: TestGateway;
  let alice: Subject;

  beforeAll(async () => {
    on = await startOn(store);
    gateway = on.gateway;
    alice = await gateway.aSubject();
  });
  afterAll(() => on.close());

  const reauthenticate = (bearer: string | undefined, password: string | null = alice.password) =>
    gateway.client.execute(ReauthenticateDocument, { password }, { bearer });

  describe('reauthenticate', () => {
    it('raises the authentication time, keeps the session and returns new tokens', async () => {
      const { accessToken, refreshToken, sessionId } = await alice.signedIn();
      await on.sessions.age(alice.id, sessionId, 3_600);
      const { data } = await reauthenticate(accessToken);
      const renewed = data?.reauthenticate;
      expect(renewed?.session.id).toBe(sessionId);
      expect(renewed?.refreshToken).not.toBe(refreshToken);
      const age = Date.now() / 1000 - Number(decodeJwt(renewed?.accessToken ?? '').auth_time);
      expect(age).toBeLessThan(60);
      expect((await alice.refresh(renewed?.refreshToken ?? '')).errors).toEqual([]);
    });

    it('with a wrong password changes nothing and is audited', async () => {
      const { accessToken, refreshToken } = await alice.signedIn();
      expect((await reauthenticate(accessToken, 'a wrong password')).code).toBe('INVALID_CREDENTIALS');
      expect((await alice.refresh(refreshToken)).errors).toEqual([]);
      const [event] = await gateway.database.query(
        `select outcome from audit_event where subject_id = $1 and action = 'session.reauthentication_failed'`,
        [alice.id],
      );
      expect(event).toEqual({ outcome: 'FAILURE' });
    });

    it('without a password names the argument', async () => {
      const { accessToken } = await alice.signedIn();
      const { errors } = await reauthenticate(accessToken, null);
      expect(errors[0]?.extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        fields: [{ field: 'password' }],
      });
    });

    it('needs a session', async () => {
      expect((await reauthenticate(undefined)).code).toBe('UNAUTHENTICATED');
    });
  });
});
