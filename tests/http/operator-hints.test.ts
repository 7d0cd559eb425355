/** @topology one: reads the log of one process */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/process.ts';

jest.setTimeout(60_000);

interface Line {
  level: string;
  msg: string;
  set?: string;
}
const hintsOf = ({ logLines }: TestGateway, about: RegExp): Line[] =>
  logLines
    .map((line) => JSON.parse(line) as Line)
    .filter(({ level, msg }) => level === 'warn' && about.test(msg));
const post = (gateway: TestGateway, headers: Record<string, string>) =>
  fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: '{"query":"{ __typename }"}',
  });
const preflight = (gateway: TestGateway, origin: string) =>
  fetch(`${gateway.url}/graphql`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST' },
  });

describe('a page whose origin CLIENT_ORIGIN does not list', () => {
  const REFUSED = /was refused/;
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await TestGateway.start();
  });
  afterAll(() => gateway.close());

  it('is logged once for each origin, with the setting that allows it', async () => {
    for (const origin of ['http://localhost:4250', 'http://localhost:4250', 'https://app.example.test']) {
      expect((await preflight(gateway, origin)).status).toBe(403);
      expect((await post(gateway, { origin })).status).toBe(403);
    }
    expect(hintsOf(gateway, REFUSED).map(({ set }) => set)).toEqual([
      'CLIENT_ORIGIN=http://localhost:4250',
      'CLIENT_ORIGIN=https://app.example.test',
    ]);
  });

  it('is logged with a setting that keeps the listed origins', async () => {
    const CLIENT_ORIGIN = 'https://one.example.test,http://localhost:4000';
    const other = await gateway.another({ CLIENT_ORIGIN });
    try {
      await preflight(other, 'https://two.example.test');
      const line = `CLIENT_ORIGIN=${CLIENT_ORIGIN},https://two.example.test`;
      expect(hintsOf(other, REFUSED)).toMatchObject([{ set: line }]);
    } finally {
      await other.close();
    }
  });

  it('is described when it has no origin, such as a file', async () => {
    await preflight(gateway, 'null');
    const [hint, ...others] = hintsOf(gateway, /page without an origin/);
    expect(hint?.msg).toContain('serve it by http');
    expect(others).toEqual([]);
  });

  it.each([
    'http://$(reboot)',
    'http://a.test/\u001b[31m',
    'javascript:alert(1)',
    'http://ä.test',
    'x'.repeat(9_000),
  ])('is not quoted when its origin has another form than browsers send: %j', async (origin) => {
    const before = hintsOf(gateway, REFUSED).length;
    await preflight(gateway, encodeURI(origin)).catch(() => {});
    await preflight(gateway, origin).catch(() => {});
    expect(hintsOf(gateway, REFUSED)).toHaveLength(before);
  });

  it('is logged for at most 32 origins', async () => {
    for (let n = 0; n < 50; n++) await preflight(gateway, `https://evil-${n}.test`);
    expect(hintsOf(gateway, REFUSED)).toHaveLength(32);
  });
});

describe('the pages of the gateway itself', () => {
  it('may call it at its own port in development, whatever PUBLIC_URL says', async () => {
    const gateway = await TestGateway.start({ PUBLIC_URL: 'https://auth.example.test' });
    const production = await gateway.another({
      NODE_ENV: 'production',
      PASSWORD_BCRYPT_COST: '10',
      RATE_LIMIT: 'on',
    });
    try {
      const origin = 'http://localhost:4000';
      expect((await post(gateway, { origin })).status).toBe(200);
      expect((await post(production, { origin })).status).toBe(403);
    } finally {
      await production.close();
      await gateway.close();
    }
  });
});

describe('X-Forwarded-For', () => {
  const forwarded = { 'x-forwarded-for': '203.0.113.7' };

  it('from a proxy that TRUSTED_PROXIES does not list is logged once, with the setting that trusts it', async () => {
    const gateway = await TestGateway.start();
    const other = await gateway.another({ TRUSTED_PROXIES: '10.0.0.0/8' });
    const right = await gateway.another({ TRUSTED_PROXIES: '10.0.0.0/8,127.0.0.1' });
    try {
      for (const at of [gateway, gateway, other, right]) await post(at, forwarded);
      const lines = (at: TestGateway) => hintsOf(at, /X-Forwarded-For/).map(({ set }) => set);
      expect(lines(gateway)).toEqual(['TRUSTED_PROXIES=127.0.0.1']);
      expect(lines(other)).toEqual(['TRUSTED_PROXIES=10.0.0.0/8,127.0.0.1']);
      expect(lines(right)).toEqual([]);
    } finally {
      await right.close();
      await other.close();
      await gateway.close();
    }
  });
});

(hasBrowser ? describe : describe.skip)('a page in a browser', () => {
  const LOST = /drops the cookies/;
  let browser: Browser;
  let frontend: Server;
  let pagePort: number;
  let gateway: TestGateway;
  let gatewayPort: string;

  beforeAll(async () => {
    browser = await launchBrowser();
    frontend = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>A front end</title>');
    });
    frontend.listen(0, '127.0.0.1');
    await once(frontend, 'listening');
    pagePort = (frontend.address() as AddressInfo).port;
    gatewayPort = await freePort();
    gateway = await TestGateway.start({
      PORT: gatewayPort,
      PUBLIC_URL: `http://localhost:${gatewayPort}`,
      CLIENT_ORIGIN: `http://localhost:${pagePort}`,
    });
  });
  afterAll(async () => {
    await browser.close();
    frontend.close();
    await gateway.close();
  });

  /**
   * Signs in from a page, and then queries the current user. @returns the codes of both replies; null for no
   * error
   */
  const signIn = async (pageHost: string, gatewayHost: string) => {
    const { username: identifier, password } = await gateway.aSubject();
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      await page.goto(`http://${pageHost}:${pagePort}/`);
      return await page.evaluate(
        async ({ url, variables }) => {
          const send = async (query: string) => {
            const reply = await fetch(url, {
              method: 'POST',
              credentials: 'include',
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify({ query, variables }),
            });
            const { errors } = await reply.json();
            return errors ? errors[0].extensions.code : null;
          };
          return {
            login: await send(
              'mutation ($input: LoginInput!) { login(input: $input) { ... on Authenticated { expiresIn } } }',
            ),
            me: await send('{ me { id } }'),
          };
        },
        {
          url: `http://${gatewayHost}:${gatewayPort}/graphql`,
          variables: { input: { identifier, password } },
        },
      );
    } finally {
      await context.close();
    }
  };

  it.each(['localhost', '127.0.0.1'])('stays signed in when both are at %s', async (host) => {
    expect(await signIn(host, host)).toEqual({ login: null, me: null });
    expect(hintsOf(gateway, LOST)).toEqual([]);
  });

  it('at 127.0.0.1 loses the cookies of a gateway at localhost, and the log explains it', async () => {
    expect(await signIn('127.0.0.1', 'localhost')).toEqual({ login: null, me: 'UNAUTHENTICATED' });
    const [hint, ...others] = hintsOf(gateway, LOST);
    expect(hint?.msg).toContain(`The browser drops the cookies for the page http://127.0.0.1:${pagePort}`);
    expect(hint?.msg).toContain(
      `Open the page at http://localhost:${pagePort}, and let it call http://localhost:${gatewayPort}.`,
    );
    expect(others).toEqual([]);
  });
});
