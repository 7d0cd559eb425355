/** @topology one: a browser opens one address */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Page, Request, Route } from 'playwright-core';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/process.ts';
import type { Subject } from '../support/subject.ts';

const EXAMPLE = 'https://auth.example.com/graphql';
/** The module of docs/clients.md, with another URL. */
function moduleFor(gatewayUrl: string): string {
  const blocks = [...readFileSync('docs/clients.md', 'utf8').matchAll(/^```js\n(.*?)^```$/gms)].map(
    ([, code = '']) => code,
  );
  const [code = '', ...others] = blocks.filter((block) => block.includes('export async function gql'));
  if (others.length > 0 || !code.includes(EXAMPLE)) throw new Error('docs/clients.md has no module with gql');
  return code.replace(EXAMPLE, `${gatewayUrl}/graphql`);
}

const PAGE = `<!doctype html><link rel="icon" href="data:,"><script type="module">
import * as client from '/client.js';
window.heard = [];
client.tabs.addEventListener('message', ({ data }) => window.heard.push(data));
window.client = client;
</script>`;

const ME = '{ me { username } }';
const LOGIN = 'mutation ($input: LoginInput!) { login(input: $input) { __typename } }';

interface Answer {
  readonly data?: { readonly me?: { readonly username: string } | null } | null;
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}

(hasBrowser ? describe : describe.skip)('the module of docs/clients.md, in a browser', () => {
  let gateway: TestGateway;
  let gatewayUrl: string;
  let frontend: Server;
  let frontendUrl: string;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let refreshes: Request[];
  let alice: Subject;

  beforeAll(async () => {
    const PORT = await freePort();
    gatewayUrl = `http://localhost:${PORT}`;
    frontend = createServer(({ url }, response) => {
      const isModule = url === '/client.js';
      response.setHeader('content-type', isModule ? 'text/javascript' : 'text/html');
      response.end(isModule ? moduleFor(gatewayUrl) : PAGE);
    });
    await new Promise<void>((listening) => frontend.listen(0, '127.0.0.1', listening));
    frontendUrl = `http://localhost:${(frontend.address() as AddressInfo).port}`;
    gateway = await TestGateway.start({
      PORT,
      PUBLIC_URL: gatewayUrl,
      CLIENT_ORIGIN: frontendUrl,
      RATE_LIMIT: 'on',
      RATE_LIMIT_RULES: 'register.ip=999/60',
    });
    browser = await launchBrowser();
    alice = await gateway.aSubject();
  });
  afterAll(async () => {
    await browser?.close();
    await gateway?.close();
    frontend?.closeAllConnections();
    frontend?.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    refreshes = [];
    context.on('request', (request) => {
      if (isRefresh(request)) refreshes.push(request);
    });
    page = await open();
  });
  afterEach(() => context.close());

  const isRefresh = (request: Request) =>
    request.method() === 'POST' && (request.postData() ?? '').includes('mutation { refresh');
  const open = async (): Promise<Page> => {
    const tab = await context.newPage();
    await tab.goto(frontendUrl);
    await tab.waitForFunction('window.client');
    return tab;
  };
  const gql = (query: string, variables: unknown = {}, tab = page): Promise<Answer> =>
    tab.evaluate(`client.gql(${JSON.stringify(query)}, ${JSON.stringify(variables)})`);
  const me = (tab = page) => gql(ME, {}, tab);
  const codeOf = ({ errors = [] }: Answer) => errors[0]?.extensions?.code;
  const username = ({ data }: Answer) => data?.me?.username;
  const signIn = async () => {
    const { username: identifier, password } = alice;
    expect(codeOf(await gql(LOGIN, { input: { identifier, password } }))).toBeUndefined();
    await page.evaluate('client.signedIn()');
  };
  /** Removes the cookie of the access token, as the browser does when it expires. */
  const expire = () => context.clearCookies({ name: 'gatehouse_access' });
  const cookieNames = async () => (await context.cookies(gatewayUrl)).map(({ name }) => name);
  /** Answers the next refreshes in place of the gateway. */
  const answerRefreshes = async (...answers: readonly ((route: Route) => Promise<void>)[]) => {
    const left = [...answers];
    await context.route(`${gatewayUrl}/graphql`, async (route) => {
      const answer = isRefresh(route.request()) ? left.shift() : undefined;
      await (answer ? answer(route) : route.continue());
    });
  };
  const refusal =
    (status: number, body: unknown, headers: Record<string, string> = {}) =>
    (route: Route) =>
      route.fulfill({
        status,
        headers: {
          'access-control-allow-origin': frontendUrl,
          'access-control-allow-credentials': 'true',
          'access-control-expose-headers': 'retry-after',
          ...headers,
        },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
  const withCode = (code: string) => ({ errors: [{ message: code, extensions: { code } }] });
  const limited = (seconds: string) => refusal(429, withCode('RATE_LIMITED'), { 'retry-after': seconds });
  const lost = (route: Route) => route.abort('connectionreset');
  const thrice = <Value>(value: Value): Value[] => [value, value, value];

  it('refreshes once for ten concurrent calls, and answers each', async () => {
    await signIn();
    await expire();
    const answers = await page.evaluate<Answer[]>(
      `Promise.all(Array.from({ length: 10 }, () => client.gql('${ME}')))`,
    );
    expect(answers.map(username)).toEqual(Array(10).fill(alice.username));
    expect(refreshes).toHaveLength(1);
  });

  it('refreshes once for two tabs that call at the same moment', async () => {
    await signIn();
    const second = await open();
    for (let round = 0; round < 5; round++) {
      refreshes = [];
      await expire();
      const answers = await Promise.all([page, second, page, second].map((tab) => me(tab)));
      expect(answers.map(username)).toEqual(Array(4).fill(alice.username));
      expect(refreshes).toHaveLength(1);
    }
  });

  it('refreshes from two tabs without Web Locks, and both stay signed in', async () => {
    await context.addInitScript('Object.defineProperty(navigator, "locks", { value: undefined })');
    const [first, second] = [await open(), await open()];
    await signIn();
    await expire();
    const answers = await Promise.all([me(first), me(second)]);
    expect(answers.map(username)).toEqual([alice.username, alice.username]);
  });

  it.each([
    ['429', limited('1'), 'RATE_LIMITED'],
    ['503', refusal(503, withCode('SERVICE_UNAVAILABLE'), { 'retry-after': '1' }), 'SERVICE_UNAVAILABLE'],
    ['500', refusal(500, withCode('INTERNAL_SERVER_ERROR')), 'INTERNAL_SERVER_ERROR'],
    ['502 of a proxy, in HTML', refusal(502, '<h1>Bad Gateway</h1>'), 'SERVICE_UNAVAILABLE'],
    ['a lost connection', lost, 'SERVICE_UNAVAILABLE'],
  ])('keeps a person signed in when refresh fails with %s', async (_, failure, code) => {
    await signIn();
    const second = await open();
    await expire();
    await answerRefreshes(...thrice(failure));
    expect(codeOf(await me())).toBe(code);
    expect(refreshes).toHaveLength(3);
    expect(await second.evaluate('heard')).toEqual([]);
    expect(await cookieNames()).toContain('gatehouse_refresh');
    // The next wait would be the pause that all tabs share.
    await page.waitForTimeout(4_100);
    expect(username(await me())).toBe(alice.username);
  });

  it('waits as long as Retry-After says, then continues', async () => {
    await signIn();
    await expire();
    await answerRefreshes(limited('2'));
    const from = Date.now();
    expect(username(await me())).toBe(alice.username);
    expect(Date.now() - from).toBeGreaterThanOrEqual(2_000);
    expect(refreshes).toHaveLength(2);
  });

  it('sends no refresh from any tab before a longer Retry-After is over, and reports the reason', async () => {
    await signIn();
    const second = await open();
    await expire();
    await answerRefreshes(limited('120'));
    for (const tab of [page, second, page]) expect(codeOf(await me(tab))).toBe('RATE_LIMITED');
    await page.reload();
    await page.waitForFunction('window.client');
    expect(codeOf(await me())).toBe('RATE_LIMITED');
    expect(refreshes).toHaveLength(1);
  });

  it('refreshes once without a session, over many calls, reloads and tabs', async () => {
    const second = await open();
    for (let reload = 0; reload < 5; reload++) {
      for (const tab of [page, second]) {
        for (let call = 0; call < 10; call++) expect(codeOf(await me(tab))).toBe('UNAUTHENTICATED');
        await tab.reload();
        await tab.waitForFunction('window.client');
      }
    }
    expect(refreshes).toHaveLength(1);
    // After a sign-in the next refresh is sent at once.
    await signIn();
    await expire();
    expect(username(await me(second))).toBe(alice.username);
  });

  it('shows the login when the session was ended, and tells the other tabs', async () => {
    await signIn();
    const second = await open();
    await gateway.database.query('delete from session where user_id = $1', [alice.id]);
    await expire();
    expect(codeOf(await me())).toBe('UNAUTHENTICATED');
    await second.waitForFunction(`heard.includes('signed-out')`);
    await signIn();
    await second.waitForFunction(`heard.includes('signed-in')`);
    expect(username(await me(second))).toBe(alice.username);
  });

  it('repeats once with the newer cookie when another tab changed the session', async () => {
    await signIn();
    await expire();
    const superseded = refusal(200, withCode('REFRESH_TOKEN_SUPERSEDED'));
    await answerRefreshes(limited('1'), superseded);
    expect(username(await me())).toBe(alice.username);
    expect(refreshes).toHaveLength(3);
  });

  it('shows the login when there is no newer cookie', async () => {
    await signIn();
    const cookies = await context.cookies(gatewayUrl);
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    // The reply is lost, so the browser never gets the new cookies.
    const stepUp = `mutation { reauthenticate(password: "${alice.password}") { expiresIn } }`;
    expect((await gateway.client.raw(stepUp, {}, { headers: { cookie } })).errors).toEqual([]);
    await expire();
    expect(codeOf(await me())).toBe('UNAUTHENTICATED');
    expect(refreshes).toHaveLength(2);
  });

  it('does not show the login when refused refreshes are rate limited', async () => {
    const refresh = () => gateway.client.raw('mutation { refresh { expiresIn } }');
    const strict = await gateway.another({
      PORT: await freePort(),
      RATE_LIMIT_RULES: 'refreshRefused.ip=1/3600',
    });
    try {
      const target = `${strict.url.replace('127.0.0.1', 'localhost')}/graphql`;
      await context.route(`${gatewayUrl}/graphql`, (route) =>
        isRefresh(route.request()) ? route.continue({ url: target }) : route.continue(),
      );
      expect((await refresh()).code).toBe('INVALID_REFRESH_TOKEN');
      expect(codeOf(await me())).toBe('UNAUTHENTICATED');
      await page.evaluate('localStorage.clear()');
      for (let call = 0; call < 3; call++) expect(codeOf(await me())).toBe('RATE_LIMITED');
      expect(refreshes).toHaveLength(2);
    } finally {
      await strict.close();
    }
  });
});
