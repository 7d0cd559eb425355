import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangePasswordDocument,
  DisableTotpDocument,
  LogoutDocument,
  ReauthenticateDocument,
  RecoverAccountDocument,
  ResetPasswordDocument,
} from '../support/generated/operations.ts';
import { eventually, race } from '../support/race.ts';
import { challengeOf, completeLogin, type Enrolled, enrol } from '../support/second-factor.ts';
import { type Subject, tokensOf } from '../support/subject.ts';

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
  other.clock.advance((gateway.clock.now() - other.clock.now()) / 1000);
});

const sessionsOf = ({ id }: Subject) => gateway.sessions.count(id);
const eitherClient = (index: number) => (index % 2 === 0 ? gateway.client : other.client);

describe('a login with a second factor', () => {
  it('in one step reaches level 2', async () => {
    const { data } = await alice.login({ securityCode: factor.app.code() });
    expect(data?.login).toMatchObject({
      __typename: 'Authenticated',
      session: { aal: 2, authenticationMethods: ['pwd', 'otp'] },
    });
    const { accessToken } = tokensOf({ ...(await alice.login({ securityCode: factor.app.code(1) })) });
    expect(decodeJwt(accessToken)).toMatchObject({ aal: 2, amr: ['pwd', 'otp'] });
  });

  it('in two steps gets the list of factors and five minutes, and no session before the second step', async () => {
    const before = await sessionsOf(alice);
    const reply = await alice.login();
    expect(reply.data?.login).toEqual({
      __typename: 'SecondFactorRequired',
      challenge: expect.stringMatching(/^[\w-]{43}$/),
      factors: ['TOTP', 'RECOVERY_CODE'],
      expiresAt: expect.any(String),
    });
    expect(reply.headers.getSetCookie()).toEqual([]);
    expect(await sessionsOf(alice)).toBe(before);
    const [row] = await gateway.database.query<{ life: number }>(
      'select extract(epoch from expires_at - now())::float as life from sign_in_challenge where user_id = $1',
      [alice.id],
    );
    expect(row?.life).toBeGreaterThan(290);
    expect(row?.life).toBeLessThanOrEqual(300);

    const login = reply.data?.login;
    const challenge = login && 'challenge' in login ? login.challenge : '';
    const completed = await completeLogin(gateway.browser(), { challenge, securityCode: factor.app.code() });
    expect(completed.data?.completeLogin.session).toMatchObject({
      aal: 2,
      authenticationMethods: ['pwd', 'otp'],
    });
    expect(completed.headers.getSetCookie()).toHaveLength(3);
  });

  it('needs no code from an account without a second factor, and ignores one', async () => {
    const bob = await gateway.aSubject();
    expect((await bob.login({ securityCode: '123456' })).data?.login).toMatchObject({ session: { aal: 1 } });
  });

  it('gets the same error for a wrong code as for a wrong password', async () => {
    const wrongCode = await alice.login({ securityCode: factor.app.wrongCode() });
    const wrongPassword = await alice.login({
      password: 'a wrong password',
      securityCode: factor.app.code(),
    });
    const shape = ({ text }: { text: string }) => text.replace(/"requestId":"[^"]+"/, '');
    expect(wrongCode.code).toBe('INVALID_CREDENTIALS');
    expect(shape(wrongCode)).toBe(shape(wrongPassword));
  });

  it('treats an empty code as none, since forms send it', async () => {
    expect((await alice.login({ securityCode: '' })).data?.login.__typename).toBe('SecondFactorRequired');
  });

  it('needs the factor after a password change too', async () => {
    const { accessToken: bearer } = factor.tokens;
    await gateway.client.execute(
      ChangePasswordDocument,
      { currentPassword: alice.password, newPassword: 'maple trumpet wagon 71' },
      { bearer },
    );
    const reply = await alice.login({ password: 'maple trumpet wagon 71' });
    expect(reply.data?.login.__typename).toBe('SecondFactorRequired');
  });

  it('waits for an enrolment that is in progress, and then asks for the factor', async () => {
    const bob = await gateway.aSubject();
    const owner = await gateway.database.connect();
    await owner.query('begin');
    await owner.query('update users set second_factor_since = now() where id = $1', [bob.id]);
    const login = bob.login();
    await eventually(gateway.database.lockWaiters, (count) => count > 0);
    await owner.query('commit');
    await owner.end();
    expect((await login).data?.login.__typename).toBe('SecondFactorRequired');
  });
});

describe('a code', () => {
  it('works once, and voids all earlier codes', async () => {
    const { app } = factor;
    expect((await alice.login({ securityCode: app.code(1) })).errors).toEqual([]);
    expect((await alice.login({ securityCode: app.code(1) })).code).toBe('INVALID_CREDENTIALS');
    expect((await alice.login({ securityCode: app.code() })).code).toBe('INVALID_CREDENTIALS');
    expect((await alice.login({ securityCode: app.code(-1) })).code).toBe('INVALID_CREDENTIALS');
  });

  it('signs in once when it is used twenty times at once over two processes, in one step', async () => {
    const code = factor.app.code();
    const replies = await race(20, (i) => alice.login({ client: eitherClient(i), securityCode: code }));
    expect(replies.filter(({ data }) => data?.login.__typename === 'Authenticated')).toHaveLength(1);
  });

  it('signs in once when it is used twenty times at once over two processes, with a challenge each', async () => {
    const code = factor.app.code();
    const challenges = await race(20, () => challengeOf(alice));
    const replies = await race(20, (i) =>
      completeLogin(eitherClient(i), { challenge: challenges[i] ?? '', securityCode: code }),
    );
    expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
    expect(new Set(replies.map(({ code }) => code))).toEqual(new Set([undefined, 'INVALID_CREDENTIALS']));
  });

  it.each([-3, -2, -1, 0, 1, 2, 3])(
    'of step %i is accepted one step earlier and later, and no further',
    async (steps) => {
      await gateway.database.query('update totp_authenticator set last_step = 0 where user_id = $1', [
        alice.id,
      ]);
      const { data } = await alice.login({ securityCode: factor.app.code(steps) });
      expect(data !== null).toBe(Math.abs(steps) <= 1);
    },
  );

  it('is checked against the clock of the gateway, whatever time the client names', async () => {
    const headers = { date: new Date(gateway.clock.now() + 300_000).toUTCString() };
    expect((await alice.login({ securityCode: factor.app.code(10), headers })).code).toBe(
      'INVALID_CREDENTIALS',
    );
  });
});

describe('a challenge', () => {
  const complete = (challenge: string, securityCode = factor.app.code()) =>
    completeLogin(gateway.client, { challenge, securityCode });

  it('works once', async () => {
    const challenge = await challengeOf(alice);
    expect((await complete(challenge)).errors).toEqual([]);
    expect((await complete(challenge, factor.app.code(1))).code).toBe('INVALID_TOKEN');
  });

  it('used twenty times at once, each time with another valid code, signs in once and uses one code up', async () => {
    const challenge = await challengeOf(alice);
    // A challenge allows five attempts. Each has a recovery code of its own.
    const replies = await race(20, (i) =>
      completeLogin(eitherClient(i), { challenge, recoveryCode: factor.recoveryCodes[i % 10] ?? '' }),
    );
    expect(replies.filter(({ data }) => data !== null)).toHaveLength(1);
    const [row] = await gateway.database.query<{ left: string }>(
      'select count(*) as left from recovery_code where user_id = $1',
      [alice.id],
    );
    expect(row?.left).toBe('9');
  });

  it('stays valid after a wrong code, and ends with the fifth', async () => {
    const challenge = await challengeOf(alice);
    expect((await complete(challenge, factor.app.wrongCode())).code).toBe('INVALID_CREDENTIALS');
    expect((await complete(challenge)).errors).toEqual([]);

    const another = await challengeOf(alice);
    for (let i = 0; i < 5; i++)
      expect((await complete(another, factor.app.wrongCode(i))).code).toBe('INVALID_CREDENTIALS');
    expect((await complete(another, factor.app.code(1))).code).toBe('INVALID_TOKEN');
  });

  it('ends after five minutes', async () => {
    const challenge = await challengeOf(alice);
    await gateway.database.query(
      `update sign_in_challenge set expires_at = expires_at - interval '300 seconds' where user_id = $1`,
      [alice.id],
    );
    expect((await complete(challenge)).code).toBe('INVALID_TOKEN');
  });

  it('is bound to its account: a code of another account is refused', async () => {
    const bob = await gateway.aSubject();
    const theirs = await enrol(gateway, bob);
    const challenge = await challengeOf(alice);
    expect((await complete(challenge, theirs.app.code())).code).toBe('INVALID_CREDENTIALS');
  });

  it.each<[string, () => Promise<unknown>]>([
    [
      'a password change',
      () =>
        gateway.client.execute(
          ChangePasswordDocument,
          { currentPassword: alice.password, newPassword: 'maple trumpet wagon 71' },
          { bearer: factor.tokens.accessToken },
        ),
    ],
    [
      'a password reset, which keeps the second factor of a confirmed account',
      async () => {
        await gateway.confirm(alice);
        await gateway.client.execute(RecoverAccountDocument, { email: alice.email });
        const token = await gateway.mailbox.token(alice.email, 'reset-password');
        const newPassword = 'maple trumpet wagon 71';
        await gateway.client.execute(ResetPasswordDocument, { token, newPassword });
        const { data } = await alice.login({ password: newPassword });
        expect(data?.login.__typename).toBe('SecondFactorRequired');
      },
    ],
    [
      'turning the second factor off',
      () =>
        gateway.client.execute(
          DisableTotpDocument,
          { password: alice.password, securityCode: factor.app.code() },
          { bearer: factor.tokens.accessToken },
        ),
    ],
    [
      'a new epoch',
      () => gateway.database.query('update users set epoch = epoch + 1 where id = $1', [alice.id]),
    ],
    [
      'a deactivation',
      () => gateway.database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [alice.id]),
    ],
  ])('is void after %s', async (_, change) => {
    const challenge = await challengeOf(alice);
    await change();
    expect((await complete(challenge, factor.app.code(1))).code).toBe('INVALID_TOKEN');
  });

  it('waits for a password change that is in progress, and is then void', async () => {
    const challenge = await challengeOf(alice);
    const owner = await gateway.database.connect();
    await owner.query('begin');
    await owner.query(
      `update password_credential set hash = 'another', changed_at = now() where user_id = $1`,
      [alice.id],
    );
    const before = await sessionsOf(alice);
    const completed = complete(challenge);
    await eventually(gateway.database.lockWaiters, (count) => count > 0);
    await owner.query('commit');
    await owner.end();
    expect((await completed).code).toBe('INVALID_TOKEN');
    expect(await sessionsOf(alice)).toBe(before);
    // The valid code is not used up.
    expect(
      await gateway.database.query('select from totp_authenticator where user_id = $1 and last_step < $2', [
        alice.id,
        Math.floor(gateway.clock.now() / 30_000),
      ]),
    ).toHaveLength(1);
  });

  it('works only in completeLogin', async () => {
    const challenge = await challengeOf(alice);
    const operations = [
      'query { me { id } }',
      'query { sessions { id } }',
      'query { roles { id } }',
      'mutation { enrollTotp(password: "x") { secret } }',
      'mutation { confirmTotp(securityCode: "123456") { codes } }',
      'mutation { disableTotp(password: "x", securityCode: "123456") }',
      'mutation { regenerateRecoveryCodes(securityCode: "123456") { codes } }',
      'mutation { reauthenticate(password: "x") { expiresIn } }',
      'mutation { changePassword(currentPassword: "x", newPassword: "y") }',
      'mutation { updateProfile(input: {displayName: "x"}) { id } }',
      'mutation { revokeOtherSessions }',
    ];
    for (const operation of operations) {
      const reply = await gateway.client.raw(operation, {}, { bearer: challenge });
      expect([operation, reply.code]).toEqual([operation, 'UNAUTHENTICATED']);
    }
    expect((await alice.refresh(challenge)).code).toBe('INVALID_REFRESH_TOKEN');
    expect(
      (await gateway.client.raw('mutation { refresh { expiresIn } }', {}, { bearer: challenge })).code,
    ).toBe('INVALID_REFRESH_TOKEN');
    const cookies = { cookie: `gatehouse_access=${challenge}; gatehouse_refresh=${challenge}` };
    const asCookie = { headers: { ...cookies, origin: 'http://localhost:4000' } };
    expect((await gateway.client.raw('{ me { id } }', {}, asCookie)).code).toBe('UNAUTHENTICATED');
    await gateway.client.execute(LogoutDocument, { refreshToken: challenge });
    expect((await complete(challenge)).errors).toEqual([]);
  });

  it('is refused when it is another kind of token', async () => {
    const { accessToken, refreshToken } = factor.tokens;
    for (const token of ['', 'x', accessToken, refreshToken, "' or 1=1--", 'x'.repeat(10_000), '\u0000'])
      expect((await complete(token)).code).toBe('INVALID_TOKEN');
  });

  it.each([{}, { securityCode: '123456', recoveryCode: 'abcd' }, { securityCode: ' ', recoveryCode: '' }])(
    'needs exactly one code, not %j',
    async (codes) => {
      const challenge = await challengeOf(alice);
      const { errors } = await completeLogin(gateway.client, { challenge, ...codes });
      expect(errors[0]?.extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        fields: [{ field: 'input.securityCode' }],
      });
    },
  );
});

describe('reauthenticate', () => {
  const reauthenticate = (offered: { password?: string; securityCode?: string; recoveryCode?: string }) =>
    gateway.client.execute(ReauthenticateDocument, offered, { bearer: factor.tokens.accessToken });

  it('raises level and authentication time with a code', async () => {
    const { sessionId } = factor.tokens;
    await gateway.sessions.weaken(alice.id, sessionId);
    await gateway.sessions.age(alice.id, sessionId, 3600);
    const tokens = tokensOf(await reauthenticate({ securityCode: factor.app.code() }));
    expect(tokens.sessionId).toBe(sessionId);
    const claims = decodeJwt(tokens.accessToken);
    expect(claims).toMatchObject({ aal: 2, amr: ['otp', 'pwd'] });
    expect(Math.abs(Number(claims.auth_time) - Date.now() / 1000)).toBeLessThan(60);
  });

  it('takes a recovery code, once', async () => {
    const recoveryCode = factor.recoveryCodes[0] ?? '';
    expect(
      (await reauthenticate({ recoveryCode })).data?.reauthenticate.session.authenticationMethods,
    ).toEqual(['otp', 'pwd', 'recovery']);
    expect((await reauthenticate({ recoveryCode })).code).toBe('INVALID_CREDENTIALS');
  });

  it('checks everything that is given, and uses no code up when the password is wrong', async () => {
    const { app } = factor;
    expect((await reauthenticate({ password: 'wrong one', securityCode: app.code() })).code).toBe(
      'INVALID_CREDENTIALS',
    );
    expect((await reauthenticate({ password: alice.password, securityCode: app.wrongCode() })).code).toBe(
      'INVALID_CREDENTIALS',
    );
    expect((await reauthenticate({ password: alice.password, securityCode: app.code() })).errors).toEqual([]);
  });

  it('refuses a code when the account has no second factor', async () => {
    const bob = await gateway.aSubject();
    const { accessToken: bearer } = await bob.signedIn();
    const reply = await gateway.client.execute(
      ReauthenticateDocument,
      { securityCode: '123456' },
      { bearer },
    );
    expect(reply.code).toBe('INVALID_CREDENTIALS');
  });
});
