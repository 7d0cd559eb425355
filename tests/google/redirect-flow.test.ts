import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { CompleteGoogleLoginDocument } from '../support/generated/operations.ts';
import { aPerson, CLIENT_ID, type Claims, GoogleStandIn } from '../support/google-stand-in.ts';
import { race } from '../support/race.ts';
import { RedirectBrowser } from '../support/redirect-browser.ts';

const CLIENT_ORIGIN = 'http://localhost:5173';

let google: GoogleStandIn;
let gateway: TestGateway;
beforeAll(async () => {
  google = await GoogleStandIn.start();
  gateway = await TestGateway.start({ ...google.settings, CLIENT_ORIGIN, LINK_PAGES: 'client' });
});
afterAll(async () => {
  await gateway.close();
  await google.close();
});
afterEach(() => {
  google.alteration = {};
  google.answer = {};
  google.person = aPerson();
});

const aBrowser = () => new RedirectBrowser(gateway.url);
const complete = (browser: RedirectBrowser, code: string) =>
  browser.execute(CompleteGoogleLoginDocument, { code });
/** The audit events of sign-ins that were refused. */
const refusals = async () => {
  const [row] = await gateway.database.query<{ count: number }>(
    `select count(*)::int from audit_event
     where action = 'login.failed' and actor_id is null and subject_id is null and details = '{"provider": "google"}'`,
  );
  return row?.count ?? 0;
};
const error = (fragment: URLSearchParams) => {
  expect([...fragment.keys()]).toEqual(['error']);
  return fragment.get('error');
};

describe('the redirect flow', () => {
  it('ends in a session with its cookies, and deletes its own cookie', async () => {
    const browser = aBrowser();
    const fragment = await browser.signIn();
    expect([...fragment.keys()]).toEqual(['code']);
    const { data } = await complete(browser, fragment.get('code') ?? '');
    const signedIn = data?.completeGoogleLogin;
    if (signedIn?.__typename !== 'Authenticated') throw new Error('not signed in');
    expect(signedIn.session.authenticationMethods).toEqual(['google']);
    expect([...browser.cookies.keys()].sort()).toEqual([
      'gatehouse_access',
      'gatehouse_device',
      'gatehouse_refresh',
    ]);
  });

  it('requests a code with PKCE, state and nonce, the scope of an e-mail address, and one exact redirect URI', async () => {
    const url = await aBrowser().begin();
    const { state, nonce, code_challenge: challenge, ...rest } = Object.fromEntries(url.searchParams);
    expect(rest).toEqual({
      response_type: 'code',
      client_id: CLIENT_ID,
      scope: 'openid email',
      redirect_uri: 'http://localhost:4000/oauth/google/callback',
      code_challenge_method: 'S256',
    });
    expect(new Set([state, nonce, challenge]).size).toBe(3);
    for (const value of [state, nonce, challenge]) expect(value).toMatch(/^[\w-]{43}$/);
  });

  it('redeems the code with the verifier of its challenge', async () => {
    const browser = aBrowser();
    const url = await browser.begin();
    await browser.finish(await browser.answerOf(url));
    const { code_verifier: verifier = '' } = google.tokenRequests.at(-1) ?? {};
    // RFC 7636 section 4.6.
    expect(createHash('sha256').update(verifier).digest('base64url')).toBe(
      url.searchParams.get('code_challenge'),
    );
  });

  it.each([
    ['the page of the gateway', {}, 'http://localhost:4000'],
    [
      'the frontend when tokens come in the body, which a page cannot keep',
      { TOKEN_DELIVERY: 'body' },
      CLIENT_ORIGIN,
    ],
  ])('ends at %s with LINK_PAGES=gateway', async (_, settings, origin) => {
    const other = await gateway.another({ ...settings, LINK_PAGES: 'gateway' });
    try {
      const { url } = await fetch(`${other.url}/oauth/google/callback?state=x&code=y`, {
        redirect: 'manual',
      }).then(({ headers }) => ({ url: new URL(headers.get('location') ?? '') }));
      expect([url.origin, url.pathname]).toEqual([origin, '/google-sign-in']);
    } finally {
      await other.close();
    }
  });

  it('has no route with LINK_PAGES=off, since there is no page where it could end', async () => {
    const other = await gateway.another({ LINK_PAGES: 'off' });
    try {
      for (const step of ['start', 'callback']) {
        expect((await fetch(`${other.url}/oauth/google/${step}`, { redirect: 'manual' })).status).toBe(404);
      }
    } finally {
      await other.close();
    }
  });

  it('redirects only to CLIENT_ORIGIN', async () => {
    const evil = 'https://evil.example.test';
    const query = `redirect_uri=${evil}&return_to=${evil}&state=x&code=y&next=//evil.example.test`;
    const headers = { host: 'evil.example.test', 'x-forwarded-host': 'evil.example.test', referer: evil };
    const at = async (path: string) => {
      const response = await fetch(`${gateway.url}/oauth/google/${path}?${query}`, {
        redirect: 'manual',
        headers,
      });
      return new URL(response.headers.get('location') ?? '');
    };
    expect((await at('callback')).origin).toBe(CLIENT_ORIGIN);
    const start = await at('start');
    expect(start.origin).toBe(google.url);
    expect(start.searchParams.get('redirect_uri')).toBe('http://localhost:4000/oauth/google/callback');
  });

  it('keeps its secret in a cookie that scripts and other hosts cannot read', async () => {
    const { headers } = await fetch(`${gateway.url}/oauth/google/start`, { redirect: 'manual' });
    const [cookie] = headers.getSetCookie();
    expect(cookie).toMatch(/^gatehouse_google=[\w-]{43}; Max-Age=720; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('referrer-policy')).toBe('no-referrer');

    const settings = { PUBLIC_URL: 'https://auth.example.test', COOKIE_DOMAIN: 'example.test' };
    const secure = await TestGateway.start({ ...google.settings, ...settings });
    try {
      const reply = await fetch(`${secure.url}/oauth/google/start`, { redirect: 'manual' });
      const [bound] = reply.headers.getSetCookie();
      expect(bound).toMatch(/^__Host-gatehouse_google=/);
      expect(bound).toMatch(/; Secure/);
      expect(bound).not.toMatch(/Domain/i);
    } finally {
      await secure.close();
    }
  });

  it('stores nothing in the database that could continue a flow', async () => {
    const browser = aBrowser();
    const url = await browser.begin();
    const fragment = await browser.finish(await browser.answerOf(url));
    const rows = JSON.stringify(await gateway.database.query('select t::text as row from google_ticket t'));
    const secrets = [...browser.cookies.values(), ...url.searchParams.values(), fragment.get('code') ?? ''];
    for (const secret of secrets) expect(rows).not.toContain(secret);
  });
});

describe('a browser', () => {
  it('needs no request id, although other clients must send one', async () => {
    const strict = await gateway.another({ REQUIRE_REQUEST_ID: 'true' });
    try {
      expect((await new RedirectBrowser(strict.url).signIn()).get('code')).toBeTruthy();
    } finally {
      await strict.close();
    }
  });
});

describe('a callback is refused', () => {
  it('without a state, and with an unknown one', async () => {
    const browser = aBrowser();
    const answer = await browser.answerOf(await browser.begin());
    const code = answer.get('code') ?? '';
    const before = await refusals();
    expect(error(await browser.finish(new URLSearchParams({ code })))).toBe('INVALID_TOKEN');
    expect(error(await browser.finish(new URLSearchParams({ code, state: 'x'.repeat(43) })))).toBe(
      'INVALID_TOKEN',
    );
    expect(error(await browser.finish(new URLSearchParams()))).toBe('INVALID_TOKEN');
    expect(await refusals()).toBe(before + 3);
  });

  it('in another browser, and stays valid in its own', async () => {
    const browser = aBrowser();
    const answer = await browser.answerOf(await browser.begin());
    expect(error(await aBrowser().finish(answer))).toBe('INVALID_TOKEN');
    const attacker = aBrowser();
    await attacker.begin();
    expect(error(await attacker.finish(answer))).toBe('INVALID_TOKEN');
    expect((await browser.finish(answer)).get('code')).toBeTruthy();
  });

  it('when it is repeated, also twenty times at once', async () => {
    const browser = aBrowser();
    const answer = await browser.answerOf(await browser.begin());
    const fragments = await race(20, () => browser.finish(answer));
    expect(fragments.filter((fragment) => fragment.has('code'))).toHaveLength(1);
    expect(error(await browser.finish(answer))).toBe('INVALID_TOKEN');
  });

  it('after ten minutes', async () => {
    const browser = aBrowser();
    const answer = await browser.answerOf(await browser.begin());
    await gateway.database.query(`update google_ticket set expires_at = expires_at - interval '601 seconds'`);
    expect(error(await browser.finish(answer))).toBe('INVALID_TOKEN');
  });

  it('with the code of another flow, whose verifier differs', async () => {
    const [browser, attacker] = [aBrowser(), aBrowser()];
    const url = await browser.begin();
    const answer = await browser.answerOf(url);
    const stolen = await attacker.answerOf(await attacker.begin());
    answer.set('code', stolen.get('code') ?? '');
    // The nonce is valid, so that it cannot be the reason for the refusal.
    google.alteration = { nonce: url.searchParams.get('nonce') };
    const before = google.tokenRequests.length;
    expect(error(await browser.finish(answer))).toBe('INVALID_CREDENTIALS');
    expect(google.tokenRequests).toHaveLength(before);
  });

  it('with two cookies, of which one was planted', async () => {
    const browser = aBrowser();
    const answer = await browser.answerOf(await browser.begin());
    const cookies = [browser.cookies.get('gatehouse_google'), 'x'.repeat(43)];
    const { status } = await fetch(`${gateway.url}/oauth/google/callback?${answer}`, {
      redirect: 'manual',
      headers: { cookie: cookies.map((value) => `gatehouse_google=${value}`).join('; ') },
    });
    expect(status).toBe(400);
    expect((await browser.finish(answer)).get('code')).toBeTruthy();
  });

  it('with repeated parameters', async () => {
    const browser = aBrowser();
    const answer = await browser.answerOf(await browser.begin());
    answer.append('state', answer.get('state') ?? '');
    expect(error(await browser.finish(answer))).toBe('INVALID_TOKEN');
  });

  it('from another issuer (RFC 9207)', async () => {
    const browser = aBrowser();
    const answer = await browser.answerOf(await browser.begin());
    answer.set('iss', 'https://evil.example.test');
    const before = await refusals();
    expect(error(await browser.finish(answer))).toBe('INVALID_CREDENTIALS');
    expect(await refusals()).toBe(before + 1);
  });

  it('with an error, which only the browser that started the flow gets to know', async () => {
    const browser = aBrowser();
    const state = (await browser.begin()).searchParams.get('state') ?? '';
    const denied = new URLSearchParams({ error: 'access_denied', state });
    expect(error(await aBrowser().finish(denied))).toBe('INVALID_TOKEN');
    // This is not a failed sign-in, since the person chose to stop.
    const chosen = await refusals();
    expect(error(await browser.finish(denied))).toBe('ACCESS_DENIED');
    expect(await refusals()).toBe(chosen);
    expect(error(await browser.finish(denied))).toBe('INVALID_TOKEN');
    const failed = await browser.answerOf(await browser.begin());
    failed.set('error', '<script>');
    const before = await refusals();
    // Also when it brings a valid code.
    expect(failed.get('code')).toBeTruthy();
    expect(error(await browser.finish(failed))).toBe('INVALID_CREDENTIALS');
    expect(await refusals()).toBe(before + 1);
  });

  const wrong: Array<[string, Claims]> = [
    ['of another flow', { nonce: 'x'.repeat(43) }],
    ['without a nonce', { nonce: undefined }],
    ['for another client', { aud: 'somebody-else.apps.example.test' }],
    ['of another issuer', { iss: 'https://evil.example.test' }],
    ['that expired', { exp: Math.floor(Date.now() / 1000) - 1 }],
    [
      'whose at_hash is another',
      { at_hash: createHash('sha256').update('x').digest().subarray(0, 16).toString('base64url') },
    ],
  ];
  it.each(wrong)('with an ID token %s', async (_, alteration) => {
    google.alteration = alteration;
    const before = await refusals();
    expect(error(await aBrowser().signIn())).toBe('INVALID_CREDENTIALS');
    expect(await refusals()).toBe(before + 1);
  });

  it.each([
    ['without an ID token', { id_token: undefined }],
    ['with an ID token that is not a text', { id_token: 5 }],
    ['with nothing', null],
  ])('while the token endpoint answers %s', async (_, answer) => {
    google.answer = answer;
    expect(error(await aBrowser().signIn())).toBe('SERVICE_UNAVAILABLE');
  });
});

describe('a callback', () => {
  it('is accepted with a malformed access token, which the gateway does not use', async () => {
    google.answer = { access_token: 5 };
    google.alteration = { at_hash: 'x' };
    expect((await aBrowser().signIn()).get('code')).toBeTruthy();
  });

  it('is accepted with the correct at_hash', async () => {
    const atHash = createHash('sha256')
      .update('the access token')
      .digest()
      .subarray(0, 16)
      .toString('base64url');
    google.answer = { access_token: 'the access token' };
    google.alteration = { at_hash: atHash };
    expect((await aBrowser().signIn()).get('code')).toBeTruthy();
  });
});

describe('the code in the fragment', () => {
  const signedIn = async () => {
    const browser = aBrowser();
    return { browser, code: (await browser.signIn()).get('code') ?? '' };
  };

  it('is refused in another browser, and stays valid', async () => {
    const { browser, code } = await signedIn();
    const before = await refusals();
    expect((await complete(aBrowser(), code)).code).toBe('INVALID_TOKEN');
    expect(await refusals()).toBe(before + 1);
    const attacker = aBrowser();
    await attacker.begin();
    expect((await complete(attacker, code)).code).toBe('INVALID_TOKEN');
    expect((await complete(browser, code)).data).not.toBeNull();
  });

  it('works once when it comes twenty times at once', async () => {
    const { browser, code } = await signedIn();
    const replies = await race(20, () => complete(browser, code));
    expect(replies.filter(({ data }) => data)).toHaveLength(1);
    expect(replies.filter(({ code: refusal }) => refusal === 'INVALID_TOKEN')).toHaveLength(19);
  });

  it('expires after two minutes', async () => {
    const { browser, code } = await signedIn();
    await gateway.database.query(`update google_ticket set expires_at = expires_at - interval '121 seconds'`);
    expect((await complete(browser, code)).code).toBe('INVALID_TOKEN');
  });

  it('is not accepted as a state, nor a state as a code', async () => {
    const { browser, code } = await signedIn();
    expect(error(await browser.finish(new URLSearchParams({ state: code, code: 'x' })))).toBe(
      'INVALID_TOKEN',
    );
    const state = (await browser.begin()).searchParams.get('state') ?? '';
    expect((await complete(browser, state)).code).toBe('INVALID_TOKEN');
  });

  it('returns tokens only in the body with TOKEN_DELIVERY=body', async () => {
    const bodyOnly = await gateway.another({ TOKEN_DELIVERY: 'body' });
    try {
      const browser = new RedirectBrowser(bodyOnly.url);
      const { data } = await complete(browser, (await browser.signIn()).get('code') ?? '');
      const result = data?.completeGoogleLogin;
      expect(result?.__typename === 'Authenticated' && result.refreshToken).toBeTruthy();
      expect([...browser.cookies.keys()]).toEqual(['gatehouse_device']);
    } finally {
      await bodyOnly.close();
    }
  });

  it('keeps secrets out of the log', async () => {
    const { browser, code } = await signedIn();
    await complete(browser, code);
    const log = gateway.logLines.join('');
    for (const secret of [code, google.person.email ?? '', google.person.sub])
      expect(log).not.toContain(secret);
  });
});
