import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import { MeDocument, SessionsDocument } from '../support/generated/operations.ts';
import type { Subject } from '../support/subject.ts';

const OWN = 'https://auth.example.test';
const APP = 'https://app.example.test';

let gateway: TestGateway;
let alice: Subject;
let browser: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({
    NODE_ENV: 'production',
    PUBLIC_URL: OWN,
    CLIENT_ORIGIN: APP,
    PASSWORD_BCRYPT_COST: '10',
    RATE_LIMIT: 'on',
  });
  alice = await gateway.aSubject();
  browser = gateway.browser();
  await alice.signedIn({ client: browser });
});
afterAll(() => gateway.close());

const cookieHeader = () => [...browser.cookies].map((pair) => pair.join('=')).join('; ');
const sessions = async () => {
  const { data } = await gateway.client.execute(
    SessionsDocument,
    {},
    { headers: { cookie: cookieHeader(), origin: OWN } },
  );
  return data?.sessions.length;
};

describe('a request that a foreign page could make a browser send', () => {
  it.each([
    ['text', 'text/plain'],
    ['a form', 'application/x-www-form-urlencoded'],
    ['multipart', 'multipart/form-data; boundary=x'],
    ['no type', ''],
  ])('as %s changes nothing', async (_, contentType) => {
    const response = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      body: new Blob([JSON.stringify({ query: 'mutation { revokeOtherSessions logout }' })]),
      headers: { cookie: cookieHeader(), 'content-type': contentType },
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    expect(await sessions()).toBe(1);
  });

  it('by GET changes nothing', async () => {
    for (const headers of [{}, { 'apollo-require-preflight': '1' }]) {
      const response = await fetch(`${gateway.url}/graphql?query=mutation{logout}`, {
        headers: { cookie: cookieHeader(), ...headers },
      });
      expect([400, 405]).toContain(response.status);
    }
    expect(await sessions()).toBe(1);
  });

  it.each([
    'https://evil.test',
    'null',
    'https://app.example.test.evil.test',
    'https://evil-app.example.test',
    'http://app.example.test',
    'https://app.example.test:8443',
    'https://sub.app.example.test',
    'HTTPS://APP.EXAMPLE.TEST.',
  ])('with the origin %s is refused', async (origin) => {
    const reply = await browser.execute(MeDocument, {}, { headers: { origin } });
    expect([reply.status, reply.code]).toEqual([403, 'FORBIDDEN']);
    expect(reply.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('is refused when its headers say that it is cross-site', async () => {
    const reply = await browser.execute(MeDocument, {}, { headers: { 'sec-fetch-site': 'cross-site' } });
    expect(reply.status).toBe(403);
  });

  it('is refused when it would sign a person in (login CSRF)', async () => {
    const reply = await alice.login({ headers: { origin: 'https://evil.test' } });
    expect([reply.status, reply.headers.getSetCookie()]).toEqual([403, []]);
  });
});

describe('a request from an allowed origin', () => {
  it.each([OWN, APP])('%s works with cookies', async (origin) => {
    const reply = await browser.execute(MeDocument, {}, { headers: { origin } });
    expect(reply.data?.me?.id).toBe(alice.id);
    expect(reply.headers.get('access-control-allow-origin')).toBe(origin);
    expect(reply.headers.get('access-control-allow-credentials')).toBe('true');
  });

  it('varies by origin for caches', async () => {
    expect((await gateway.client.raw('{ __typename }')).headers.get('vary')).toMatch(/origin/i);
  });

  it('is allowed by a preflight; a foreign origin is not', async () => {
    const preflight = (origin: string) =>
      fetch(`${gateway.url}/graphql`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type',
        },
      });
    expect((await preflight(APP)).headers.get('access-control-allow-origin')).toBe(APP);
    expect((await preflight('https://evil.test')).headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('a bearer without cookies', () => {
  it('works from any origin, because browsers never send it on their own', async () => {
    const { accessToken } = await alice.signedIn();
    const reply = await gateway.client.execute(
      MeDocument,
      {},
      { bearer: accessToken, headers: { origin: 'https://evil.test' } },
    );
    expect(reply.data?.me?.id).toBe(alice.id);
    expect(reply.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('one credential for each request', () => {
  it('uses the bearer when a cookie of another account comes along', async () => {
    const bob = await gateway.aSubject();
    const { accessToken } = await bob.signedIn();
    const reply = await browser.execute(MeDocument, {}, { bearer: accessToken });
    expect(reply.data?.me?.id).toBe(bob.id);
  });

  it('refuses a bad bearer, and does not fall back to the cookie', async () => {
    expect((await browser.execute(MeDocument, {}, { bearer: 'a.bad.token' })).code).toBe('UNAUTHENTICATED');
  });

  it('refuses two cookies of one name', async () => {
    const reply = await gateway.client.execute(
      MeDocument,
      {},
      { headers: { cookie: `${cookieHeader()}; ${cookieHeader()}` } },
    );
    expect(reply.status).toBe(400);
  });
});

describe('the cookies', () => {
  const setCookies = async (settings: Record<string, string>) => {
    const other = await gateway.another(settings);
    try {
      return (await alice.login({ client: other.client })).headers.getSetCookie();
    } finally {
      await other.close();
    }
  };

  it('are bound to the host, HttpOnly, Secure and SameSite', async () => {
    const [access, refresh] = await setCookies({});
    expect(access).toMatch(
      /^__Host-gatehouse_access=[^;]+; Max-Age=3600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(refresh).toMatch(
      /^__Host-gatehouse_refresh=[^;]+; Max-Age=518\d{4}; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    for (const cookie of [access, refresh]) expect(cookie?.length).toBeLessThan(4096);
  });

  it('reach sibling hosts when COOKIE_DOMAIN says so', async () => {
    const all = await setCookies({ COOKIE_DOMAIN: 'example.test' });
    const ofTokens = all.filter((cookie) => !cookie.includes('gatehouse_device'));
    expect(ofTokens).toHaveLength(2);
    for (const cookie of ofTokens) {
      expect(cookie).toMatch(/^__Secure-gatehouse_\w+=[^;]+; .*Domain=example\.test; .*Secure/);
    }
  });

  it('have plain names on http, which is for development', async () => {
    for (const cookie of await setCookies({
      NODE_ENV: 'test',
      PUBLIC_URL: 'http://localhost:4000',
      CLIENT_ORIGIN: '',
    })) {
      expect(cookie).toMatch(/^gatehouse_\w+=/);
      expect(cookie).not.toContain('Secure');
    }
  });

  it('alone carry the tokens with TOKEN_DELIVERY=cookie, and are not set with TOKEN_DELIVERY=body', async () => {
    const nameOf = (cookie: string) => cookie.split('=')[0];
    const cookieOnly = await gateway.another({ TOKEN_DELIVERY: 'cookie' });
    const bodyOnly = await gateway.another({ TOKEN_DELIVERY: 'body' });
    try {
      const inCookies = await alice.login({ client: cookieOnly.client });
      expect(inCookies.headers.getSetCookie().map(nameOf)).toEqual([
        '__Host-gatehouse_access',
        '__Host-gatehouse_refresh',
        '__Host-gatehouse_device',
      ]);
      expect(inCookies.data?.login).toMatchObject({ accessToken: null, refreshToken: null });
      const inBody = await alice.login({ client: bodyOnly.client });
      expect(inBody.headers.getSetCookie().map(nameOf)).toEqual(['__Host-gatehouse_device']);
      expect(inBody.data?.login).toMatchObject({
        accessToken: expect.any(String),
        refreshToken: expect.any(String),
      });
    } finally {
      await cookieOnly.close();
      await bodyOnly.close();
    }
  });
});
