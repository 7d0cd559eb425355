import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  DisableTotpDocument,
  RegenerateRecoveryCodesDocument,
  SecondFactorStateDocument,
} from '../support/generated/operations.ts';
import { race } from '../support/race.ts';
import { challengeOf, completeLogin, type Enrolled, enrol } from '../support/second-factor.ts';
import type { Subject } from '../support/subject.ts';

let gateway: TestGateway;
let other: TestGateway;
let alice: Subject;
let factor: Enrolled;

beforeAll(async () => {
  gateway = await TestGateway.start();
  other = await gateway.another();
});
afterAll(async () => {
  await other.close();
  await gateway.close();
});
beforeEach(async () => {
  alice = await gateway.aSubject();
  factor = await enrol(gateway, alice);
});

type Offered = { password?: string | null; securityCode?: string; recoveryCode?: string };
const disable = (offered: Offered, bearer = factor.tokens.accessToken) =>
  gateway.client.execute(DisableTotpDocument, { password: alice.password, ...offered }, { bearer });
const regenerate = (offered: Offered, bearer = factor.tokens.accessToken) =>
  gateway.client.execute(RegenerateRecoveryCodesDocument, offered, { bearer });
const state = async () => {
  const { accessToken: bearer } = factor.tokens;
  return (await gateway.client.execute(SecondFactorStateDocument, {}, { bearer })).data?.me;
};
const recover = async (recoveryCode = '', client = gateway.client) =>
  completeLogin(client, { challenge: await challengeOf(alice), recoveryCode });
const lastEvent = async () => {
  const [event] = await gateway.database.query(
    'select action, outcome, details from audit_event where subject_id = $1 order by id desc limit 1',
    [alice.id],
  );
  return event;
};

describe('disableTotp', () => {
  it('turns it off, voids the recovery codes and ends the other sessions', async () => {
    const { data } = await alice.login({ securityCode: factor.app.code() });
    const elsewhere = data?.login && 'accessToken' in data.login ? (data.login.accessToken ?? '') : '';
    expect((await disable({ securityCode: factor.app.code(1) })).data).toEqual({ disableTotp: true });
    expect(await state()).toEqual({ totpEnabled: false, recoveryCodesLeft: 0 });
    expect((await alice.me(elsewhere)).code).toBe('UNAUTHENTICATED');
    expect((await alice.login()).data?.login).toMatchObject({ session: { aal: 1 } });
    expect(
      await gateway.database.query('select from totp_authenticator where user_id = $1', [alice.id]),
    ).toEqual([]);
  });

  it('accepts a recovery code instead', async () => {
    expect((await disable({ recoveryCode: factor.recoveryCodes[9] ?? '' })).errors).toEqual([]);
  });

  it.each<[string, () => Offered, string]>([
    ['without the password', () => ({ password: null, securityCode: factor.app.code() }), 'BAD_USER_INPUT'],
    [
      'with a wrong password',
      () => ({ password: 'wrong', securityCode: factor.app.code() }),
      'INVALID_CREDENTIALS',
    ],
    ['without a code', () => ({}), 'BAD_USER_INPUT'],
    ['with both codes', () => ({ securityCode: '123456', recoveryCode: 'x' }), 'BAD_USER_INPUT'],
    ['with a wrong code', () => ({ securityCode: factor.app.wrongCode() }), 'INVALID_CREDENTIALS'],
    ['with a wrong recovery code', () => ({ recoveryCode: 'x' }), 'INVALID_CREDENTIALS'],
  ])('changes nothing %s', async (_, offered, code) => {
    expect((await disable(offered())).code).toBe(code);
    expect(await state()).toEqual({ totpEnabled: true, recoveryCodesLeft: 10 });
  });

  it('needs a session and a second factor', async () => {
    expect((await gateway.client.execute(DisableTotpDocument, { securityCode: '123456' })).code).toBe(
      'UNAUTHENTICATED',
    );
    await disable({ securityCode: factor.app.code() });
    expect((await disable({ securityCode: factor.app.code(1) })).code).toBe('CONFLICT');
  });

  it('is in the audit trail, and so is a wrong code', async () => {
    await disable({ securityCode: factor.app.wrongCode() });
    expect(await lastEvent()).toEqual({
      action: 'second_factor.failed',
      outcome: 'FAILURE',
      details: { factor: 'otp' },
    });
    await disable({ securityCode: factor.app.code() });
    expect(await lastEvent()).toMatchObject({ action: 'totp.disabled', details: { factor: 'otp' } });
  });
});

describe('a recovery code', () => {
  it('may be typed in any case, with spaces, without dashes, and with letters that look like digits', async () => {
    const [code = ''] = factor.recoveryCodes;
    const typed = code.toUpperCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'L');
    expect((await recover(` ${typed} `)).errors).toEqual([]);
  });

  it('used twenty times at once over two processes signs in once', async () => {
    const [recoveryCode = ''] = factor.recoveryCodes;
    const challenges = await race(20, () => challengeOf(alice));
    const replies = await race(20, (i) =>
      completeLogin(i % 2 === 0 ? gateway.client : other.client, {
        challenge: challenges[i] ?? '',
        recoveryCode,
      }),
    );
    expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
    expect(await state()).toMatchObject({ recoveryCodesLeft: 9 });
  });

  it('is in the audit trail when it is used, with the number that is left', async () => {
    await recover(factor.recoveryCodes[0]);
    const [event] = await gateway.database.query(
      `select details from audit_event where subject_id = $1 and action = 'recovery_code.used'`,
      [alice.id],
    );
    expect(event).toEqual({ details: { left: 9 } });
  });

  it('is not accepted as a security code, nor a security code as a recovery code', async () => {
    expect((await alice.login({ securityCode: factor.recoveryCodes[0] ?? '' })).code).toBe(
      'INVALID_CREDENTIALS',
    );
    expect((await recover(factor.app.code())).code).toBe('INVALID_CREDENTIALS');
  });
});

describe('regenerateRecoveryCodes', () => {
  it('issues ten new codes and voids the former codes', async () => {
    const { data } = await regenerate({ securityCode: factor.app.code() });
    const codes = data?.regenerateRecoveryCodes.codes ?? [];
    expect(codes).toHaveLength(10);
    expect(codes.some((code) => factor.recoveryCodes.includes(code))).toBe(false);
    expect((await recover(factor.recoveryCodes[0])).code).toBe('INVALID_CREDENTIALS');
    expect((await recover(codes[0])).errors).toEqual([]);
  });

  it('uses up the recovery code that authorises it, along with the others', async () => {
    expect((await regenerate({ recoveryCode: factor.recoveryCodes[0] ?? '' })).errors).toEqual([]);
    expect(await state()).toMatchObject({ recoveryCodesLeft: 10 });
  });

  it('happens once for concurrent requests with one code', async () => {
    const securityCode = factor.app.code();
    const replies = await race(10, () => regenerate({ securityCode }));
    expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
  });

  it('without a code, with a wrong one or without a second factor is refused', async () => {
    expect((await regenerate({})).code).toBe('BAD_USER_INPUT');
    expect((await regenerate({ securityCode: factor.app.wrongCode() })).code).toBe('INVALID_CREDENTIALS');
    const bob = await gateway.aSubject();
    const { accessToken } = await bob.signedIn();
    expect((await regenerate({ securityCode: '123456' }, accessToken)).code).toBe('CONFLICT');
  });
});
