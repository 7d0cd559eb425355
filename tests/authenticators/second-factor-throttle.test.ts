import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  DisableTotpDocument,
  ReauthenticateDocument,
  RegenerateRecoveryCodesDocument,
} from '../support/generated/operations.ts';
import { eventually, race } from '../support/race.ts';
import { challengeOf, completeLogin, type Enrolled, enrol } from '../support/second-factor.ts';
import type { Subject } from '../support/subject.ts';

/**
 * The limit of security codes and recovery codes of one account together, and the limit of recovery codes
 * among them.
 */
const LIMIT = 10;
const RECOVERY_LIMIT = 5;
/** The limit of both kinds together in one session. */
const SESSION_LIMIT = 4;

/** Limits are on. The limits that a test must not reach are wide. */
const WIDE = [
  ...['login', 'reauthenticate', 'currentPasswordCheck'].flatMap((name) => [`${name}.ip`, `${name}.account`]),
  ...['reauthenticate', 'currentPasswordCheck'].flatMap((name) => [`${name}.session`, `${name}.device`]),
  ...['login.accountAtIp', 'login.device'],
  ...['completeLogin.ip', 'register.ip', 'regenerateRecoveryCodes.account'],
];
const LIMITS = { RATE_LIMIT: 'on', RATE_LIMIT_RULES: WIDE.map((name) => `${name}=9999/1`).join(',') };

let gateway: TestGateway;
let other: TestGateway;
let alice: Subject;
let factor: Enrolled;

beforeAll(async () => {
  gateway = await TestGateway.start(LIMITS);
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

const eitherClient = (index: number) => (index % 2 === 0 ? gateway.client : other.client);
/** Guesses that were compared: INVALID_CREDENTIALS. Every other reply must be the refusal. */
function evaluated(replies: readonly Reply<unknown>[]): number {
  const codes = replies.flatMap(({ errors }) => errors.map(({ extensions }) => extensions?.code));
  expect(new Set(codes)).toEqual(new Set(['INVALID_CREDENTIALS', 'RATE_LIMITED']));
  return codes.filter((code) => code === 'INVALID_CREDENTIALS').length;
}
const recorded = async ({ id }: Subject) => {
  const [row] = await gateway.database.query<{ count: string }>(
    `select count(*) from audit_event where subject_id = $1 and outcome = 'FAILURE'`,
    [id],
  );
  return Number(row?.count);
};
async function inSequence<T>(count: number, call: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let i = 0; i < count; i++) results.push(await call(i));
  return results;
}
const guessOnce = (i: number) =>
  alice.login({ client: eitherClient(i), securityCode: factor.app.wrongCode(i) });
const pass = (seconds: number, userId: string) =>
  gateway.database.query(
    `update second_factor_guesses set full_at = full_at - make_interval(secs => $1),
            recovery_full_at = recovery_full_at - make_interval(secs => $1) where user_id = $2`,
    [seconds, userId],
  );

describe('guesses at the second factor of one account', () => {
  it('in sequence are limited together by two processes, even without Redis', async () => {
    expect(evaluated(await inSequence(20, guessOnce))).toBe(LIMIT);
    expect(await recorded(alice)).toBe(LIMIT);
  });

  it('sent at once end at the limit', async () => {
    expect(evaluated(await race(40, guessOnce))).toBeLessThanOrEqual(LIMIT);
    expect(await recorded(alice)).toBeLessThanOrEqual(LIMIT);
  });

  it.each([
    ['security codes', LIMIT, (i: number) => ({ securityCode: factor.app.wrongCode(i) })],
    ['recovery codes', RECOVERY_LIMIT, (i: number) => ({ recoveryCode: `guess ${i}` })],
  ])('end at their limit: a hundred %s at once', async (_, limit, wrong) => {
    const bearer = factor.tokens.accessToken;
    const replies = await race(100, (i) =>
      eitherClient(i).execute(ReauthenticateDocument, wrong(i), { bearer }),
    );
    const looked = evaluated(replies);
    expect(looked).toBeGreaterThan(0);
    expect(looked).toBeLessThanOrEqual(limit);
  });

  it('with a new challenge each end at the limit', async () => {
    const replies = await inSequence(15, async (i) =>
      completeLogin(eitherClient(i), {
        challenge: await challengeOf(alice),
        securityCode: factor.app.wrongCode(i),
      }),
    );
    expect(evaluated(replies)).toBe(LIMIT);
  });

  it('from many IPs end at the limit', async () => {
    const proxied = await gateway.another({ TRUSTED_PROXIES: '127.0.0.1' });
    try {
      const replies = await inSequence(15, (i) =>
        alice.login({
          client: proxied.client,
          securityCode: factor.app.wrongCode(i),
          headers: { 'x-forwarded-for': `192.0.2.${i}` },
        }),
      );
      expect(evaluated(replies)).toBe(LIMIT);
    } finally {
      await proxied.close();
    }
  });

  it('by security codes and recovery codes in turn end at the limit', async () => {
    const replies = await inSequence(30, async (i) =>
      completeLogin(eitherClient(i), {
        challenge: await challengeOf(alice),
        ...(i % 2 === 0 ? { securityCode: factor.app.wrongCode(i) } : { recoveryCode: `guess ${i}` }),
      }),
    );
    expect(evaluated(replies)).toBe(LIMIT);
  });

  it('by aliases in one document end at the limit of the session', async () => {
    // As many root fields as a mutation may have. The first failure ends its document, since the type is
    // non-null.
    const guess = (alias: string, i: number) =>
      `${alias}: disableTotp(password: "${alice.password}", securityCode: "${factor.app.wrongCode(i)}")`;
    const document = `mutation { ${['a', 'b', 'c', 'd', 'e'].map(guess).join(' ')} }`;
    const { accessToken: bearer } = factor.tokens;
    const replies = await inSequence(15, () => gateway.client.raw(document, {}, { bearer }));
    expect(evaluated(replies)).toBe(SESSION_LIMIT);
    expect(await recorded(alice)).toBe(SESSION_LIMIT);
  });

  it('in a session count together with those at a sign-in, in every operation', async () => {
    const options = { bearer: factor.tokens.accessToken };
    const { client } = gateway;
    const securityCode = factor.app.wrongCode();
    const guesses = [
      () => alice.login({ securityCode }),
      () => client.execute(ReauthenticateDocument, { securityCode }, options),
      () => client.execute(DisableTotpDocument, { password: alice.password, securityCode }, options),
      () => client.execute(RegenerateRecoveryCodesDocument, { securityCode }, options),
    ];
    const replies = await inSequence<Reply<unknown>>(24, (i) => (guesses[i % 4] ?? guessOnce)(i));
    expect(evaluated(replies)).toBe(LIMIT);
  });

  it('in one session leave the owner some of each kind, in every operation', async () => {
    const options = { bearer: factor.tokens.accessToken };
    const replies = await race<Reply<unknown>>(24, (i) => {
      const guess = { recoveryCode: `guess ${i}` };
      return i % 2 === 0
        ? gateway.client.execute(ReauthenticateDocument, guess, options)
        : gateway.client.execute(RegenerateRecoveryCodesDocument, guess, options);
    });
    expect(evaluated(replies)).toBe(SESSION_LIMIT);
    const challenge = await challengeOf(alice);
    const [recoveryCode = ''] = factor.recoveryCodes;
    expect((await completeLogin(gateway.client, { challenge, recoveryCode })).errors).toEqual([]);
    expect((await alice.login({ securityCode: factor.app.code(1) })).errors).toEqual([]);
  });

  it('in two login fields of one document are refused as a whole', async () => {
    const field = `login(input: {identifier: "${alice.username}", password: "x", securityCode: "123456"}) { __typename }`;
    expect((await gateway.client.raw(`mutation { a: ${field} b: ${field} }`)).status).toBe(400);
    const second = 'completeLogin(input: {challenge: "x", securityCode: "123456"}) { expiresIn }';
    expect((await gateway.client.raw(`mutation { a: ${second} b: ${second} }`)).status).toBe(400);
  });
});

describe('after the last allowed guess', () => {
  it('the right code is refused, and works when the next guess is allowed', async () => {
    await inSequence(LIMIT, guessOnce);
    const refused = await alice.login({ securityCode: factor.app.code() });
    expect([refused.status, refused.code]).toEqual([429, 'RATE_LIMITED']);
    const wait = Number(refused.errors[0]?.extensions?.retryAfterSeconds);
    expect(wait).toBeGreaterThan(300);
    expect(wait).toBeLessThanOrEqual(360);
    expect((await alice.login({ client: other.client, securityCode: factor.app.code() })).code).toBe(
      'RATE_LIMITED',
    );
    await pass(wait, alice.id);
    expect((await alice.login({ securityCode: factor.app.code() })).errors).toEqual([]);
  });

  it('refusals do not delay the next allowed guess', async () => {
    await inSequence(LIMIT, guessOnce);
    const waits = (await inSequence(5, guessOnce)).map(
      ({ errors }) => errors[0]?.extensions?.retryAfterSeconds,
    );
    expect(Math.max(...waits.map(Number))).toBeLessThanOrEqual(360);
  });

  it('a recovery code still signs in, so that guessed security codes do not lock the owner out', async () => {
    await inSequence(LIMIT + 5, guessOnce);
    const challenge = await challengeOf(alice);
    const reply = await completeLogin(gateway.client, {
      challenge,
      recoveryCode: factor.recoveryCodes[0] ?? '',
    });
    expect(reply.errors).toEqual([]);
  });

  it('recovery codes are limited too, and allowed again later', async () => {
    await inSequence(LIMIT, guessOnce);
    const guess = async (recoveryCode: string) =>
      completeLogin(gateway.client, { challenge: await challengeOf(alice), recoveryCode });
    expect(evaluated(await inSequence(10, (i) => guess(`guess ${i}`)))).toBe(RECOVERY_LIMIT);
    expect((await guess(factor.recoveryCodes[0] ?? '')).code).toBe('RATE_LIMITED');
    await pass(720, alice.id);
    expect((await guess(factor.recoveryCodes[0] ?? '')).errors).toEqual([]);
  });

  it('other accounts and the sessions of this one are not affected', async () => {
    await inSequence(LIMIT + 1, guessOnce);
    const bob = await gateway.aSubject();
    const theirs = await enrol(gateway, bob);
    expect((await bob.login({ securityCode: theirs.app.code() })).errors).toEqual([]);
    expect((await alice.me(factor.tokens.accessToken)).errors).toEqual([]);
  });
});

describe('codes for a deactivated account', () => {
  it('are not counted, since a limit would show that the password was right', async () => {
    await gateway.database.query(`update users set deactivated_by = 'OWNER' where id = $1`, [alice.id]);
    const replies = await inSequence(LIMIT + 2, guessOnce);
    expect(replies.map(({ code }) => code)).toEqual(Array(LIMIT + 2).fill('INVALID_CREDENTIALS'));
    const spent = await gateway.database.query(
      'select from second_factor_guesses where user_id = $1 and full_at > now()',
      [alice.id],
    );
    expect(spent).toEqual([]);
  });
});

describe('guesses beyond the limit', () => {
  it('are in the audit trail of the account, once a minute from one IP', async () => {
    const bob = await gateway.aSubject();
    const theirs = await enrol(gateway, bob);
    await inSequence(LIMIT + 12, guessOnce);
    await inSequence(LIMIT + 12, (i) => bob.login({ securityCode: theirs.app.wrongCode(i) }));
    const events = await gateway.database.query(
      `select subject_id, details from audit_event where action = 'operation.limited' and subject_id in ($1, $2)`,
      [alice.id, bob.id],
    );
    const expected = [alice, bob].map(({ id }) => ({ subject_id: id, details: { operation: 'login' } }));
    expect(events).toEqual(expect.arrayContaining(expected));
    // Of 24 refusals: one event for each process, and further ones when a new minute began.
    expect(events.length).toBeLessThan(12);
  });
});

describe('the limit of guesses', () => {
  it('is not charged for right codes', async () => {
    for (let i = 0; i < LIMIT + 5; i++) {
      await gateway.database.query('update totp_authenticator set last_step = 0 where user_id = $1', [
        alice.id,
      ]);
      expect((await alice.login({ securityCode: factor.app.code() })).errors).toEqual([]);
    }
    expect(evaluated(await inSequence(LIMIT + 1, guessOnce))).toBe(LIMIT);
  });

  it('stays charged after a rollback, since the charge is committed before the code is compared', async () => {
    const blocker = await gateway.database.connect();
    await blocker.query('begin');
    await blocker.query('select from users where id = $1 for no key update', [alice.id]);
    const guess = guessOnce(0);
    await eventually(gateway.database.lockWaiters, (count) => count > 0);
    const spent = await gateway.database.query(
      'select from second_factor_guesses where user_id = $1 and full_at > now()',
      [alice.id],
    );
    await blocker.query('rollback');
    await blocker.end();
    await guess;
    expect(spent).toHaveLength(1);
  });

  it('can be set', async () => {
    const strict = await gateway.another({
      RATE_LIMIT_RULES: `${LIMITS.RATE_LIMIT_RULES},secondFactor.account=3/60`,
    });
    try {
      const replies = await inSequence(6, () =>
        alice.login({ client: strict.client, securityCode: factor.app.wrongCode() }),
      );
      expect(evaluated(replies)).toBe(3);
    } finally {
      await strict.close();
    }
  });
});
