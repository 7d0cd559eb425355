/** @topology one: a browser opens one address */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import Provider from 'oidc-provider';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/process.ts';

const CLIENT_ID = 'gateway.apps.example.test';
const CLIENT_SECRET = 'the client secret of the tests';

/**
 * A page of a frontend: it redirects the browser, and reads the result from the fragment when the browser
 * returns.
 */
const pageOf = (gatewayUrl: string) => `<!doctype html><meta charset="utf-8"><title>Frontend</title>
  <a href="${gatewayUrl}/oauth/google/start">Sign in with Google</a><output></output>
  <script>
    const gql = (query, variables) => fetch('${gatewayUrl}/graphql', {
      method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    }).then((reply) => reply.json());
    const show = (text) => { document.querySelector('output').textContent = text; };
    const result = new URLSearchParams(location.hash.slice(1));
    history.replaceState(null, '', location.pathname);
    const code = result.get('code');
    if (result.has('error')) show('refused: ' + result.get('error'));
    else if (code) {
      const query = 'mutation($code: String!) { completeGoogleLogin(code: $code) { __typename } }';
      gql(query, { code })
        .then(({ data, errors }) => data ? gql('{ me { username email } }') : { errors })
        .then(({ data, errors }) => show(data ? data.me.username + ' ' + data.me.email : errors[0].extensions.code));
    }
  </script>`;

const listen = async (server: Server, port = 0): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

/**
 * An issuer that checks redirect URI, PKCE and client secret as the standards ask. Any person may log in
 * there.
 */
function honestIssuer(url: string, redirectUri: string): Provider {
  return new Provider(url, {
    clients: [{ client_id: CLIENT_ID, client_secret: CLIENT_SECRET, redirect_uris: [redirectUri] }],
    clientAuthMethods: ['client_secret_post'],
    clientDefaults: { token_endpoint_auth_method: 'client_secret_post' },
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    // Like Google, it puts the address into the ID token.
    conformIdTokenClaims: false,
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@gmail.com`, email_verified: true }),
    }),
  });
}

(hasBrowser ? describe : describe.skip)('with a strict issuer, in a browser', () => {
  let gateway: TestGateway;
  let browser: Browser;
  let context: BrowserContext;
  let frontendUrl: string;
  const servers: Server[] = [];

  beforeAll(async () => {
    jest.spyOn(console, 'warn').mockImplementation(() => {});
    jest.spyOn(console, 'info').mockImplementation(() => {});
    const port = await freePort();
    const gatewayUrl = `http://localhost:${port}`;
    const frontend = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end(pageOf(gatewayUrl));
    });
    frontendUrl = `http://localhost:${await listen(frontend)}`;
    // A site other than the gateway's, as Google is.
    const issuerPort = Number(await freePort());
    const issuerUrl = `http://127.0.0.1:${issuerPort}`;
    const provider = honestIssuer(issuerUrl, `${gatewayUrl}/oauth/google/callback`);
    const issuer = createServer(provider.callback());
    await listen(issuer, issuerPort);
    servers.push(frontend, issuer);
    gateway = await TestGateway.start({
      PORT: port,
      PUBLIC_URL: gatewayUrl,
      CLIENT_ORIGIN: frontendUrl,
      LINK_PAGES: 'client',
      GOOGLE_CLIENT_ID: CLIENT_ID,
      GOOGLE_CLIENT_SECRET: CLIENT_SECRET,
      GOOGLE_ISSUER_URL: issuerUrl,
    });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await gateway?.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    jest.restoreAllMocks();
  });
  afterEach(() => context?.close());

  const open = async (): Promise<Page> => {
    context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(frontendUrl);
    return page;
  };

  /** Logs in at the issuer and consents. */
  const signIn = async (page: Page, login: string) => {
    await page.getByText('Sign in with Google').click();
    await page.locator('[name=login]').fill(login);
    await page.locator('[name=password]').fill('whatever it is');
    await page.locator('[type=submit]').click();
    await page.getByText('Continue').click();
  };

  const shown = async (page: Page) => {
    await page.waitForURL(`${frontendUrl}/**`);
    return page.locator('output', { hasText: /./ }).textContent();
  };

  it('a person signs in from a page of the frontend, and later reaches the same account', async () => {
    const page = await open();
    await signIn(page, 'ada.lovelace');
    const first = await shown(page);
    expect(first).toMatch(/^member-\w{10} ada\.lovelace@gmail\.com$/);
    expect(page.url()).toBe(`${frontendUrl}/google-sign-in`);
    const cookies = await context.cookies(gateway.url.replace('127.0.0.1', 'localhost'));
    expect(
      cookies
        .filter(({ name }) => name.startsWith('gatehouse_'))
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['gatehouse_access', 'gatehouse_device', 'gatehouse_refresh']);
    await context.close();

    const later = await open();
    await signIn(later, 'ada.lovelace');
    expect(await shown(later)).toBe(first);
    const [row] = await gateway.database.query('select count(*)::int from users');
    expect(row).toEqual({ count: 1 });
  });

  it('a person who refuses consent returns to the frontend without a session', async () => {
    const page = await open();
    await page.getByText('Sign in with Google').click();
    await page.getByText('[ Cancel ]').click();
    expect(await shown(page)).toBe('refused: ACCESS_DENIED');
  });
});
