import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { COMMAND_LINE } from '../../src/platform/request/index.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangePasswordDocument,
  DisableTotpDocument,
  RegenerateRecoveryCodesDocument,
} from '../support/generated/operations.ts';
import { challengeOf, completeLogin, type Enrolled, enrol } from '../support/second-factor.ts';
import type { Subject } from '../support/subject.ts';

let gateway: TestGateway;
let alice: Subject;
let factor: Enrolled;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());
beforeEach(async () => {
  alice = await gateway.aSubject();
  factor = await enrol(gateway, alice);
});

const hears = (about: RegExp) => gateway.mailbox.expect(alice.email, about);
const asAlice = () => ({ bearer: factor.tokens.accessToken });

describe('a notice to the owner', () => {
  it('tells that the second factor was turned on, and that it was turned off', async () => {
    await hears(/turned on/);
    const offered = { password: alice.password, securityCode: factor.app.code() };
    await gateway.client.execute(DisableTotpDocument, offered, asAlice());
    await hears(/turned off/);
  });

  it('tells that a recovery code was used, and that all were replaced', async () => {
    const [recoveryCode = ''] = factor.recoveryCodes;
    await completeLogin(gateway.client, { challenge: await challengeOf(alice), recoveryCode });
    const { text } = await hears(/recovery code was used/);
    expect(text).not.toContain(recoveryCode);
    const offered = { securityCode: factor.app.code() };
    await gateway.client.execute(RegenerateRecoveryCodesDocument, offered, asAlice());
    await hears(/recovery codes were replaced/);
  });

  it('tells of a right password with a wrong code, in one step and in two', async () => {
    await alice.login({ securityCode: factor.app.wrongCode() });
    await hears(/stopped at the second step/);
    const challenge = await challengeOf(alice);
    await completeLogin(gateway.client, { challenge, securityCode: factor.app.wrongCode(1) });
    await gateway.mailbox.expect(alice.email, /turned on/);
    const stopped = (await gateway.mailbox.to(alice.email)).filter(({ subject }) => /stopped/.test(subject));
    expect(stopped.length).toBeGreaterThanOrEqual(1);
  });

  it('tells that an operator removed the second factor', async () => {
    const { secondFactorChanges, fork } = gateway.gateway;
    await secondFactorChanges.removeByOperator(fork(), alice.email, COMMAND_LINE);
    await hears(/administrator removed/);
  });

  it('is sent for every other event after an attacker caused too many of one kind', async () => {
    const limited = await TestGateway.start({ RATE_LIMIT: 'on', RATE_LIMIT_RULES: 'notice.account=1/3600' });
    try {
      const bob = await limited.aSubject();
      const { app, tokens } = await enrol(limited, bob);
      for (const nth of [0, 1, 2]) await bob.login({ securityCode: app.wrongCode(nth) });
      await limited.client.execute(
        ChangePasswordDocument,
        { currentPassword: bob.password, newPassword: 'copper lantern drifting' },
        { bearer: tokens.accessToken },
      );
      await limited.mailbox.expect(bob.email, /password was changed/);
      const subjects = (await limited.mailbox.to(bob.email)).map(({ subject }) => subject);
      expect(subjects.filter((subject) => /stopped/.test(subject))).toHaveLength(1);
    } finally {
      await limited.close();
    }
  });

  it('is not sent for a wrong password', async () => {
    await alice.login({ password: 'a wrong password', securityCode: factor.app.code() });
    await hears(/turned on/);
    const subjects = (await gateway.mailbox.to(alice.email)).map(({ subject }) => subject);
    expect(subjects.filter((subject) => /second step/.test(subject))).toEqual([]);
  });
});
