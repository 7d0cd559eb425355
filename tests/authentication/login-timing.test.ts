/** @topology one: compares durations, which a second process would only blur */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  DeactivateAccountDocument,
  LoginWithGoogleDocument,
  RecoverAccountDocument,
  RegisterDocument,
} from '../support/generated/operations.ts';
import { aPerson, GoogleStandIn, newNonce } from '../support/google-stand-in.ts';
import { enrol } from '../support/second-factor.ts';

const ROUNDS = 25;
/**
 * A class that costs a hash less takes a third of the time or less, and one that costs a hash more nearly twice as long.
 * In between is what a busy machine does to medians.
 */
const MOST = 1.3;

let google: GoogleStandIn;
let gateway: TestGateway;
/** Hashes take long enough here to be most of a login, as they do in earnest. */
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

/** Medians in milliseconds, of calls that take turns: what slows one class down slows down all of them. */
async function mediansOf(calls: Readonly<Record<string, () => Promise<void>>>) {
  const samples = Object.entries(calls).map(([name, call]) => ({ name, call, took: [] as number[] }));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { call, took } of samples) {
      const before = performance.now();
      await call();
      took.push(performance.now() - before);
    }
  }
  return Object.fromEntries(samples.map(({ name, took }) => [name, Math.round(median(took) * 10) / 10]));
}

/** The best of three: a real difference is there each time, a busy machine is not. */
async function expectAlike(calls: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
  const seen: unknown[] = [];
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const medians = await mediansOf(calls);
    if (Math.max(...Object.values(medians)) <= MOST * Math.min(...Object.values(medians))) return;
    seen.push(medians);
  }
  expect(seen).toEqual([]);
}

describe('the duration of an answer does not tell who has an account', () => {
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

  it('when recovery is asked for', async () => {
    const { email } = await gateway.aSubject();
    const recover = (address: string) => async () => {
      const { data } = await gateway.client.execute(RecoverAccountDocument, { email: address });
      expect(data).toEqual({ recoverAccount: true });
    };
    await expectAlike({ known: recover(email), unknown: recover('nobody@example.test') });
  });

  it('when somebody registers, where an address must be confirmed', async () => {
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
