import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { TestGateway } from '../../support/gateway.ts';
import {
  ConfirmTotpDocument,
  EnrollTotpDocument,
  SecondFactorStateDocument,
  SessionsDocument,
} from '../../support/generated/operations.ts';
import { race } from '../../support/race.ts';
import {
  AuthenticatorApp,
  challengeOf,
  completeLogin,
  enrol,
  renewedTokens,
  startEnrolment,
} from '../../support/second-factor.ts';
import { type Subject, tokensOf } from '../../support/subject.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({ PRODUCT_NAME: 'Example & Sons' });
  gateway.clock.toMidStep();
});
afterAll(() => gateway.close());

const appWith = (secret: string) => new AuthenticatorApp(secret, () => gateway.clock.now());
const confirm = (bearer: string, securityCode: string) =>
  gateway.client.execute(ConfirmTotpDocument, { securityCode }, { bearer });
const stateOf = async (bearer: string) =>
  (await gateway.client.execute(SecondFactorStateDocument, {}, { bearer })).data?.me;
const actionsOf = async ({ id }: Subject) => {
  const rows = await gateway.database.query<{ action: string }>(
    `select action from audit_event where subject_id = $1 and action ~ 'totp|recovery|second' order by id`,
    [id],
  );
  return rows.map(({ action }) => action);
};

describe('an enrolment', () => {
  it('returns a new secret of 160 bits each time, with its key URI and ten minutes to confirm', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const started = await startEnrolment(alice, accessToken);
    expect(started.secret).toMatch(/^[A-Z2-7]{32}$/);
    const uri = new URL(started.uri);
    expect(decodeURIComponent(uri.pathname)).toBe(`/Example & Sons:${alice.username}`);
    expect(uri.searchParams.get('issuer')).toBe('Example & Sons');
    expect(uri.searchParams.get('secret')).toBe(started.secret);
    const life = new Date(started.expiresAt).getTime() - Date.now();
    expect(Math.abs(life - 600_000)).toBeLessThan(10_000);
    expect((await startEnrolment(alice, accessToken)).secret).not.toBe(started.secret);
  });

  it('that is not confirmed changes no sign-in', async () => {
    const alice = await gateway.aSubject();
    await startEnrolment(alice, (await alice.signedIn()).accessToken);
    expect((await alice.login()).data?.login.__typename).toBe('Authenticated');
  });

  it.each([
    ['without the password', null, 'BAD_USER_INPUT'],
    ['with a wrong password', 'a wrong password', 'INVALID_CREDENTIALS'],
  ])('is refused %s', async (_, password, code) => {
    const alice = await gateway.aSubject();
    const { accessToken: bearer } = await alice.signedIn();
    expect((await gateway.client.execute(EnrollTotpDocument, { password }, { bearer })).code).toBe(code);
    expect(await gateway.database.query('select from totp_enrolment where user_id = $1', [alice.id])).toEqual(
      [],
    );
  });

  it('of an account without a password needs a sign-in within the last five minutes', async () => {
    const alice = await gateway.aSubject();
    const { accessToken: bearer } = await alice.signedIn();
    await gateway.database.query('delete from password_credential where user_id = $1', [alice.id]);
    expect((await gateway.client.execute(EnrollTotpDocument, {}, { bearer })).errors).toEqual([]);
    gateway.clock.advance(301);
    expect((await gateway.client.execute(EnrollTotpDocument, {}, { bearer })).code).toBe(
      'REAUTHENTICATION_REQUIRED',
    );
  });

  it('cannot be confirmed by another session, after it expired, or by a wrong code', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const app = appWith((await startEnrolment(alice, accessToken)).secret);
    expect((await confirm((await alice.signedIn()).accessToken, app.code())).code).toBe('NOT_FOUND');
    expect((await confirm(accessToken, app.wrongCode())).code).toBe('INVALID_CREDENTIALS');
    await gateway.database.query(
      `update totp_enrolment set expires_at = now() - interval '1 second' where user_id = $1`,
      [alice.id],
    );
    expect((await confirm(accessToken, app.code())).code).toBe('NOT_FOUND');
    expect(await stateOf(accessToken)).toEqual({ totpEnabled: false, recoveryCodesLeft: 0 });
  });

  it('is replaced by the next one', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const first = appWith((await startEnrolment(alice, accessToken)).secret);
    const second = appWith((await startEnrolment(alice, accessToken)).secret);
    expect((await confirm(accessToken, first.code())).code).toBe('INVALID_CREDENTIALS');
    expect((await confirm(accessToken, second.code())).errors).toEqual([]);
  });

  it('is confirmed once when twenty requests confirm it at once', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const app = appWith((await startEnrolment(alice, accessToken)).secret);
    const replies = await race(20, () => confirm(accessToken, app.code()));
    expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
    expect(new Set(replies.map(({ code }) => code))).toEqual(new Set([undefined, 'NOT_FOUND']));
    expect(await stateOf(accessToken)).toEqual({ totpEnabled: true, recoveryCodesLeft: 10 });
  });
});

describe('confirming', () => {
  it('raises this session to level 2 with new tokens, voids the old tokens, and ends the other sessions', async () => {
    const alice = await gateway.aSubject();
    const other = await alice.signedIn();
    const { accessToken, refreshToken, sessionId } = await alice.signedIn();
    const app = appWith((await startEnrolment(alice, accessToken)).secret);
    const confirmed = await confirm(accessToken, app.code());
    expect((await alice.me(other.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.refresh(other.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    const { data } = await gateway.client.execute(SessionsDocument, {}, { bearer: accessToken });
    expect(data?.sessions).toMatchObject([{ id: sessionId, aal: 2, authenticationMethods: ['otp', 'pwd'] }]);
    expect((await alice.refresh(refreshToken)).code).toBe('REFRESH_TOKEN_SUPERSEDED');
    expect(decodeJwt(accessToken)).toMatchObject({ aal: 1, amr: ['pwd'] });
    const renewed = renewedTokens(confirmed.data?.confirmTotp.tokens ?? null);
    const level2 = { sid: sessionId, aal: 2, amr: ['otp', 'pwd'] };
    expect(decodeJwt(renewed.accessToken)).toMatchObject(level2);
    const refreshed = tokensOf(await alice.refresh(renewed.refreshToken));
    expect(decodeJwt(refreshed.accessToken)).toMatchObject(level2);
  });

  it('issues ten recovery codes of 120 bits, all different', async () => {
    const { recoveryCodes } = await enrol(gateway, await gateway.aSubject());
    expect(recoveryCodes).toHaveLength(10);
    expect(new Set(recoveryCodes).size).toBe(10);
    for (const code of recoveryCodes)
      expect(code).toMatch(/^([0-9a-hjkmnp-tv-z]{4}-){5}[0-9a-hjkmnp-tv-z]{4}$/);
  });

  it('uses its code up', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const app = appWith((await startEnrolment(alice, accessToken)).secret);
    await confirm(accessToken, app.code());
    expect((await alice.login({ securityCode: app.code() })).code).toBe('INVALID_CREDENTIALS');
    expect((await alice.login({ securityCode: app.code(1) })).errors).toEqual([]);
  });

  it('is in the audit trail', async () => {
    const alice = await gateway.aSubject();
    await enrol(gateway, alice);
    expect(await actionsOf(alice)).toEqual(['totp.enabled']);
  });
});

describe('an active authenticator', () => {
  it('still works while another enrolment is pending, and is replaced when that is confirmed', async () => {
    const alice = await gateway.aSubject();
    const { app, recoveryCodes, tokens } = await enrol(gateway, alice);
    const replacement = appWith((await startEnrolment(alice, tokens.accessToken)).secret);
    expect((await alice.login({ securityCode: app.code() })).errors).toEqual([]);
    expect((await alice.login({ securityCode: replacement.code() })).code).toBe('INVALID_CREDENTIALS');
    expect((await confirm(tokens.accessToken, replacement.code())).errors).toEqual([]);
    expect((await alice.login({ securityCode: app.code(1) })).code).toBe('INVALID_CREDENTIALS');
    expect((await alice.login({ securityCode: replacement.code(1) })).errors).toEqual([]);
    const challenge = await challengeOf(alice);
    const old = await completeLogin(gateway.client, { challenge, recoveryCode: recoveryCodes[0] ?? '' });
    expect(old.code).toBe('INVALID_CREDENTIALS');
  });

  it('cannot be replaced in a session of level 1', async () => {
    const alice = await gateway.aSubject();
    const { tokens } = await enrol(gateway, alice);
    // No sign-in creates such a session. It stands for a session that a mistake of the gateway left behind.
    await gateway.sessions.weaken(alice.id, tokens.sessionId);
    const { data } = await alice.refresh(tokens.refreshToken);
    const { errors } = await gateway.client.execute(
      EnrollTotpDocument,
      { password: alice.password },
      { bearer: data?.refresh.accessToken ?? '' },
    );
    expect(errors[0]?.extensions).toMatchObject({
      code: 'REAUTHENTICATION_REQUIRED',
      requiredAal: 2,
      methods: ['securityCode', 'recoveryCode'],
      enrolmentRequired: false,
    });
  });

  it('can be replaced after the phone is lost, in a session whose level comes from a recovery code', async () => {
    const alice = await gateway.aSubject();
    const { recoveryCodes } = await enrol(gateway, alice);
    const challenge = await challengeOf(alice);
    const { data } = await completeLogin(gateway.client, { challenge, recoveryCode: recoveryCodes[3] ?? '' });
    const session = data?.completeLogin;
    expect(session?.session).toMatchObject({ aal: 2, authenticationMethods: ['pwd', 'recovery'] });
    const bearer = session?.accessToken ?? '';
    expect(await stateOf(bearer)).toEqual({ totpEnabled: true, recoveryCodesLeft: 9 });
    const app = appWith((await startEnrolment(alice, bearer)).secret);
    expect((await confirm(bearer, app.code())).errors).toEqual([]);
    expect(await stateOf(bearer)).toEqual({ totpEnabled: true, recoveryCodesLeft: 10 });
  });
});
