/** @topology one: has two processes of its own */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client, RequestOptions } from '../support/client.ts';
import type { TestGateway } from '../support/gateway.ts';
import {
  ChangePasswordDocument,
  LoginDocument,
  ReauthenticateDocument,
  UnlockUserDocument,
} from '../support/generated/operations.ts';
import { challengeOf, completeLogin, enrol } from '../support/second-factor.ts';
import { type GatewayOnStore, STORES, startOn } from '../support/session-stores.ts';
import { staffWith } from '../support/staff.ts';
import type { Subject, Tokens } from '../support/subject.ts';

const LIMITS = {
  RATE_LIMIT: 'on',
  RATE_LIMIT_RULES: 'register.ip=9999/60,login.ip=9999/60,reauthenticate.ip=9999/60',
  TRUSTED_PROXIES: '127.0.0.0/8',
};
const from = (ip: string): RequestOptions => ({ headers: { 'x-forwarded-for': ip } });

/** With postgres each process counts limits in its own memory. With redis both count together. */
describe.each(STORES)('unlocking an account, with limits counted on %s', (store) => {
  let world: GatewayOnStore;
  let gateway: TestGateway;
  let second: TestGateway;
  let helper: Subject & { tokens: Tokens };

  beforeAll(async () => {
    world = await startOn(store, LIMITS);
    ({ gateway } = world);
    second = await gateway.another();
    helper = await staffWith(gateway, ['user:unlock']);
  });
  afterAll(async () => {
    await second.close();
    await world.close();
  });

  const unlock = (userId: string, who = helper) =>
    gateway.client.execute(UnlockUserDocument, { userId }, { bearer: who.tokens.accessToken });
  const clients = () => [gateway.client, second.client];
  const loginAs = async (identifier: string, password: string, client: Client, ip: string) =>
    (await client.execute(LoginDocument, { input: { identifier, password } }, from(ip))).code;

  it('lets its owner sign in at once, by username and by address, in each process', async () => {
    const alice = await gateway.aSubject();
    for (const client of clients()) {
      for (const identifier of [alice.username, alice.email]) {
        for (let host = 1; host <= 10; host += 1)
          await loginAs(identifier, 'a wrong password', client, `198.51.100.${host}`);
        expect(await loginAs(identifier, alice.password, client, '203.0.113.1')).toBe('RATE_LIMITED');
      }
    }
    expect((await unlock(alice.id)).data?.unlockUser).toBe(true);
    for (const client of clients()) {
      for (const identifier of [alice.username, alice.email])
        expect(await loginAs(identifier, alice.password, client, '203.0.113.1')).toBeUndefined();
    }
  });

  it('refills the limits of its known devices and its sessions', async () => {
    const alice = await gateway.aSubject();
    const browser = gateway.browser();
    const { accessToken: bearer } = await alice.signedIn({ client: browser });
    const guesses = {
      device: () => loginAs(alice.username, 'a wrong password', browser, '203.0.113.2'),
      reauthenticate: async () =>
        (await gateway.client.execute(ReauthenticateDocument, { password: 'wrong' }, { bearer })).code,
      password: async () =>
        (
          await gateway.client.execute(
            ChangePasswordDocument,
            { currentPassword: 'wrong', newPassword: 'velvet anchor rising' },
            { bearer },
          )
        ).code,
    };
    for (const guess of Object.values(guesses)) {
      for (let n = 1; n <= 10; n += 1) await guess();
      expect(await guess()).toBe('RATE_LIMITED');
    }
    await unlock(alice.id);
    for (const guess of Object.values(guesses)) expect(await guess()).toBe('INVALID_CREDENTIALS');
  });

  it('refills the limit of its second factor', async () => {
    const alice = await gateway.aSubject();
    const { app } = await enrol(gateway, alice);
    const guess = async (securityCode: string) =>
      (await completeLogin(gateway.client, { challenge: await challengeOf(alice), securityCode })).code;
    for (let n = 0; n < 10; n += 1) await guess(app.wrongCode(n));
    expect(await guess(app.code())).toBe('RATE_LIMITED');
    await unlock(alice.id);
    expect(await guess(app.code())).toBeUndefined();
  });

  it('is audited with its actor, and refused for an administrator with fewer permissions than the account', async () => {
    const alice = await gateway.aSubject();
    await unlock(alice.id);
    const events = await gateway.database.query(
      `select actor_id from audit_event where action = 'account.unlocked' and subject_id = $1`,
      [alice.id],
    );
    expect(events).toEqual([{ actor_id: helper.id }]);
    const clerk = await staffWith(gateway, ['kyc:review']);
    expect((await unlock(clerk.id)).code).toBe('FORBIDDEN');
  });

  it("is refused for the administrator's own account, with an error that says what to do instead", async () => {
    expect(await unlock(helper.id)).toMatchObject({
      code: 'BAD_USER_INPUT',
      errors: [
        { extensions: { fields: [{ field: 'userId', message: expect.stringContaining('another') }] } },
      ],
    });
  });

  it('is limited to ten in an hour for each administrator and account', async () => {
    const [alice, bob] = [await gateway.aSubject(), await gateway.aSubject()];
    for (let n = 1; n <= 10; n += 1) expect((await unlock(alice.id)).errors).toEqual([]);
    expect((await unlock(alice.id)).code).toBe('RATE_LIMITED');
    expect((await unlock(bob.id)).errors).toEqual([]);
    expect((await unlock(alice.id, await staffWith(gateway, ['user:unlock']))).errors).toEqual([]);
  });
});
