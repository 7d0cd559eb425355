/** @timing: compares how long kinds of logins take */
/** @topology one: compares durations, which a second process would only blur */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hashSync as argon2Hash } from '@node-rs/argon2';
import { hashSync as bcryptHash } from 'bcryptjs';
import { TestGateway } from '../support/gateway.ts';
import {
  DeactivateAccountDocument,
  LoginWithGoogleDocument,
  RecoverAccountDocument,
  RegisterDocument,
} from '../support/generated/operations.ts';
import { aPerson, GoogleStandIn, newNonce } from '../support/google-stand-in.ts';
import { enrol } from '../support/second-factor.ts';

/**
 * The long form (CONTRIBUTING.md) compares what a client sees: durations. The short form compares the processor time of this
 * process, hash threads included. Other tests that run at the same time change it by less.
 */
const { TEST_ALL, TEST_LONG } = process.env;
const LONG = TEST_ALL === '1' || TEST_LONG === '1';
const ROUNDS = LONG ? 25 : 12;

/** Milliseconds. */
function now(): number {
  if (LONG) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
/**
 * A login with one hash less takes a third of the time or less, and one with one hash more nearly twice as
 * long. A busy machine moves medians by less than that.
 */
const MOST = 1.3;

let google: GoogleStandIn;
let gateway: TestGateway;
/** The cost is high enough that hashing is most of a login, as in production. */
beforeAll(async () => {
  google = await GoogleStandIn.start();
  gateway = await TestGateway.start({ ...google.settings, PASSWORD_BCRYPT_COST: '8' });
});
afterAll(async () => {
  await gateway.close();
  await google.close();
});

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Medians in milliseconds of calls that take turns, so that a slow machine slows down all kinds alike. */
async function mediansOf(calls: Readonly<Record<string, () => Promise<void>>>, rounds: number) {
  const samples = Object.entries(calls).map(([name, call]) => ({ name, call, took: [] as number[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { call, took } of samples) {
      const before = now();
      await call();
      took.push(now() - before);
    }
  }
  return Object.fromEntries(samples.map(({ name, took }) => [name, Math.round(median(took) * 10) / 10]));
}

/** The best of three. A real difference shows each time, and a busy machine does not. */
async function expectAlike(
  calls: Readonly<Record<string, () => Promise<void>>>,
  { most = MOST, rounds = ROUNDS } = {},
): Promise<void> {
  const seen: unknown[] = [];
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const medians = await mediansOf(calls, rounds);
    if (Math.max(...Object.values(medians)) <= most * Math.min(...Object.values(medians))) return;
    seen.push(medians);
  }
  expect(seen).toEqual([]);
}

describe('the duration of an answer does not show who has an account', () => {
  it('when a login fails', async () => {
    const known = await gateway.aSubject();
    const sleeper = await gateway.aSubject();
    const { accessToken } = await sleeper.signedIn();
    const { password } = sleeper;
    await gateway.client.execute(DeactivateAccountDocument, { password }, { bearer: accessToken });
    const person = aPerson();
    const idToken = await google.idToken({ ...person, nonce: await newNonce(gateway.client) });
    expect((await gateway.client.execute(LoginWithGoogleDocument, { idToken })).errors).toEqual([]);

    const retired = await gateway.aSubject();
    await enrol(gateway, retired);
    await gateway.database.query(`update users set deactivated_by = 'OWNER' where id = $1`, [retired.id]);

    const login = (identifier: string, secret: string, securityCode?: string) => async () => {
      const document =
        'mutation ($i: String!, $p: String!, $c: String) { login(input: { identifier: $i, password: $p, securityCode: $c }) { __typename } }';
      const { code } = await gateway.client.raw(document, { i: identifier, p: secret, c: securityCode });
      expect(code).toBe('INVALID_CREDENTIALS');
    };
    const wrong = 'a wrong password';
    await expectAlike({
      'a wrong password': login(known.username, wrong),
      'an unknown name': login('nobody-has-this-name', wrong),
      'an unknown address': login('nobody@example.test', wrong),
      'what no account can be called': login('no body@example.test', wrong),
      'a deactivated account': login(sleeper.username, wrong),
      'a deactivated account, and its password': login(sleeper.username, password),
      'a deactivated account, its password and a code': login(retired.username, retired.password, '123456'),
      'an account without a password': login(person.email ?? '', wrong),
    });
  });

  /**
   * Wider than MOST, because the hashes of other logins vary too. A comparison that waits in the queue twice
   * takes twice as long, and an imported Argon2id hash without padding takes half as long.
   */
  const MOST_UNDER_LOAD = 1.35;

  // tests/passwords/hash-worker.test.ts holds the same rule by processor time, in seconds.
  (LONG ? it : it.skip).each([
    ['bcrypt', { PASSWORD_BCRYPT_COST: '9' }],
    ['Argon2id', { PASSWORD_HASH: 'argon2id' }],
  ])('when a login fails while others wait for the hasher, with %s', async (_, settings) => {
    const busy = await gateway.another(settings);
    const loginTo = async (identifier: string) => {
      const document =
        'mutation ($i: String!) { login(input: { identifier: $i, password: "a wrong password" }) { __typename } }';
      expect((await busy.client.raw(document, { i: identifier })).code).toBe('INVALID_CREDENTIALS');
    };
    const imported = async (hash: string) => {
      const { id, username } = await gateway.aSubject();
      await gateway.database.query(
        'update password_credential set hash = $2, pepper_id = null where user_id = $1',
        [id, hash],
      );
      return () => loginTo(username);
    };
    const known = await gateway.aSubject();
    await known.signedIn({ client: busy.client });
    const calls = {
      'an unknown name': () => loginTo('nobody-has-this-name'),
      'a known one': () => loginTo(known.username),
      'imported bcrypt, cost 4': await imported(bcryptHash('elsewhere', 4)),
      'imported bcrypt, cost 8': await imported(bcryptHash('elsewhere', 8)),
      'imported Argon2id, 19 MiB': await imported(
        argon2Hash('elsewhere', { memoryCost: 19_456, timeCost: 2, parallelism: 1 }),
      ),
    };
    let isMeasured = true;
    const others = Array.from({ length: 2 }, async () => {
      while (isMeasured) await loginTo('nobody-else-either');
    });
    try {
      await expectAlike(calls, { most: MOST_UNDER_LOAD, rounds: 9 });
    } finally {
      isMeasured = false;
      await Promise.allSettled(others);
      await busy.close();
    }
  });

  it('when recovery is requested', async () => {
    const { email } = await gateway.aSubject();
    const recover = (address: string) => async () => {
      const { data } = await gateway.client.execute(RecoverAccountDocument, { email: address });
      expect(data).toEqual({ recoverAccount: true });
    };
    await expectAlike({ known: recover(email), unknown: recover('nobody@example.test') });
  });

  it('when a person registers, and the address must be confirmed', async () => {
    const strict = await gateway.another({ EMAIL_CONFIRMATION: 'required' });
    const { email } = await gateway.aSubject();
    let names = 0;
    const register = (address: (name: string) => string) => async () => {
      names += 1;
      const username = `newcomer-${names}`;
      const input = { username, email: address(username), password: 'copper lantern drifting' };
      expect((await strict.client.execute(RegisterDocument, { input })).errors).toEqual([]);
    };
    await expectAlike({
      taken: register(() => email),
      free: register((name) => `${name}@example.test`),
    });
    await strict.close();
  });
});
