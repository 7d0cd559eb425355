/** @timing: expects answers within a second while the issuer does not answer */
/** @topology one: counts the requests of one process to the issuer */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { LoginWithGoogleDocument } from '../support/generated/operations.ts';
import { aPerson, type Failure, GoogleStandIn, newNonce, oneTap } from '../support/google-stand-in.ts';
import { elapse, eventually, race } from '../support/race.ts';
import { RedirectBrowser } from '../support/redirect-browser.ts';

/** Seconds between two fetches (google/remote-document.ts). */
const COOL_DOWN = 10;

let google: GoogleStandIn;
let gateway: TestGateway;
beforeEach(async () => {
  google = await GoogleStandIn.start();
  gateway = await TestGateway.start(google.settings);
});
const closeAll = async () => {
  await gateway.close();
  await google.close();
};
afterEach(closeAll);

const signIn = () => oneTap(gateway.client, google, aPerson());
const withKey = async (kid: string) => {
  const nonce = await newNonce(gateway.client);
  return google.idToken({ ...aPerson(), nonce }, { kid });
};
const login = (idToken: string) => gateway.client.execute(LoginWithGoogleDocument, { idToken });

const failures: Failure[] = ['silent', 'broken', 'garbage', 'trickling', 'redirected', 'huge'];

describe.each(failures)('while Google is %s', (failure) => {
  it('a Google sign-in fails within five seconds, and all other operations work', async () => {
    const alice = await gateway.aSubject();
    const idToken = await google.idToken({ ...aPerson(), nonce: await newNonce(gateway.client) });
    google.failure = failure;
    const since = Date.now();
    const waiting = login(idToken);
    await alice.signedIn();
    expect(Date.now() - since).toBeLessThan(1_500);
    const { code, errors } = await waiting;
    expect(Date.now() - since).toBeLessThan(5_000);
    expect(code).toBe('SERVICE_UNAVAILABLE');
    expect(errors[0]?.message).not.toContain('127.0.0.1');
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
  });

  it('the gateway sends one request in a cool-down for all sign-ins, and recovers after it', async () => {
    google.failure = failure;
    const replies = await race(20, signIn);
    expect(new Set(replies.map(({ code }) => code))).toEqual(new Set(['SERVICE_UNAVAILABLE']));
    const since = Date.now();
    const { code, errors } = await signIn();
    expect(code).toBe('SERVICE_UNAVAILABLE');
    expect(errors[0]?.extensions?.retryAfterSeconds).toBeLessThanOrEqual(COOL_DOWN);
    expect(Date.now() - since).toBeLessThan(1_000);
    expect(google.requests).toHaveLength(1);
    google.failure = null;
    gateway.clock.advance(COOL_DOWN);
    expect((await signIn()).data).not.toBeNull();
  });

  it('the redirect flow returns the browser to the frontend within five seconds', async () => {
    const browser = new RedirectBrowser(gateway.url);
    const answer = await browser.answerOf(await browser.begin());
    google.failure = failure;
    const since = Date.now();
    expect((await browser.finish(answer)).get('error')).toBe('SERVICE_UNAVAILABLE');
    expect(Date.now() - since).toBeLessThan(5_000);
    // A code works once, so sending it again would only look like a theft.
    expect(google.requestsOf('/token')).toBe(1);
  });
});

describe('a sign-in that reaches the key fetch late because the token endpoint is slow', () => {
  const finishing = async (delays: Record<string, number>) => {
    const browser = new RedirectBrowser(gateway.url);
    const answer = await browser.answerOf(await browser.begin());
    google.delays = delays;
    const since = Date.now();
    const error = (await browser.finish(answer)).get('error');
    return { error, milliseconds: Date.now() - since };
  };

  it('does not wait longer because another sign-in is fetching the keys', async () => {
    const late = finishing({ '/token': 2_500, '/jwks': 60_000 });
    await elapse(
      1_500,
      'the other fetch ends after the deadline of the first sign-in only if it begins later',
    );
    const other = signIn();
    const { error, milliseconds } = await late;
    expect(error).toBe('SERVICE_UNAVAILABLE');
    expect(milliseconds).toBeLessThan(5_000);
    expect((await other).code).toBe('SERVICE_UNAVAILABLE');
  });

  it('does not cut the fetch short for the others', async () => {
    const late = finishing({ '/token': 3_500, '/jwks': 1_500 });
    await eventually(
      async () => google.keyRequests(),
      (count) => count === 1,
    );
    const other = signIn();
    expect((await late).error).toBe('SERVICE_UNAVAILABLE');
    expect((await other).data).not.toBeNull();
    expect(google.keyRequests()).toBe(1);
  });
});

describe('keys', () => {
  it('are fetched once for many sign-ins', async () => {
    const replies = await race(20, signIn);
    expect(replies.every(({ data }) => data)).toBe(true);
    await signIn();
    expect(google.keyRequests()).toBe(1);
  });

  it('are fetched once in a cool-down for tokens with invented key ids', async () => {
    await signIn();
    await google.addKey('new');
    const made = await withKey('new');
    const [, ...rest] = made.split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: 'made-up' })).toString('base64url');
    gateway.clock.advance(COOL_DOWN);
    const replies = await race(20, () => login([header, ...rest].join('.')));
    expect(new Set(replies.map(({ code }) => code))).toEqual(new Set(['INVALID_CREDENTIALS']));
    expect(google.keyRequests()).toBe(2);
  });

  it('that are new are found after the cool-down', async () => {
    await signIn();
    await google.addKey('new');
    expect((await login(await withKey('new'))).code).toBe('INVALID_CREDENTIALS');
    gateway.clock.advance(COOL_DOWN);
    expect((await login(await withKey('new'))).data).not.toBeNull();
    expect(google.keyRequests()).toBe(2);
  });

  it('that are known stay in use while Google is unavailable', async () => {
    await signIn();
    google.failure = 'broken';
    expect((await signIn()).data).not.toBeNull();
  });
});
