/** @topology one: a browser opens one address */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { TestGateway } from '../support/gateway.ts';
import { aPerson, GoogleStandIn } from '../support/google-stand-in.ts';
import { freePort } from '../support/process.ts';
import { enrol } from '../support/second-factor.ts';

const PATH = '/google-sign-in';

let google: GoogleStandIn;
let gateway: TestGateway;
beforeAll(async () => {
  google = await GoogleStandIn.start();
  const PORT = await freePort();
  // A site other than the issuer's, as Google's is.
  gateway = await TestGateway.start({
    ...google.settings,
    PORT,
    PUBLIC_URL: `http://localhost:${PORT}`,
    PRODUCT_NAME: "Ada & Grace's",
  });
});
afterAll(async () => {
  await gateway.close();
  await google.close();
});

describe('the page at the end of a Google sign-in', () => {
  it('is not cached, loads nothing, and runs only its own script', async () => {
    const strict = await gateway.another({ PORT: await freePort(), REQUIRE_REQUEST_ID: 'true' });
    const response = await fetch(strict.url + PATH);
    await strict.close();
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'sha256-[^ ]+'; style-src 'sha256-[^ ]+'; connect-src 'self';/,
    );
    expect(policy).not.toContain('unsafe');
    const html = await response.text();
    expect(html).not.toMatch(/https?:|src=|@import|url\(/);
    expect(html).toContain('Ada &amp; Grace&#39;s');
  });

  it.each([
    ['the frontend has the pages', { CLIENT_ORIGIN: 'http://localhost:3000', LINK_PAGES: 'client' }],
    ['there are no pages', { LINK_PAGES: 'off' }],
    ['tokens come in the body, which the page would discard', { TOKEN_DELIVERY: 'body' }],
    [
      'Google sign-in is off',
      { GOOGLE_CLIENT_ID: undefined, GOOGLE_CLIENT_SECRET: undefined, GOOGLE_ISSUER_URL: undefined },
    ],
  ])('does not exist when %s', async (_, settings) => {
    const other = await gateway.another({ ...settings, PORT: await freePort() });
    try {
      expect((await fetch(other.url + PATH)).status).toBe(404);
    } finally {
      await other.close();
    }
  });
});

(hasBrowser ? describe : describe.skip)('in a browser', () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  let home: string;

  beforeAll(async () => {
    browser = await launchBrowser();
    home = gateway.url.replace('127.0.0.1', 'localhost');
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    google.person = aPerson();
    google.alteration = {};
    context = await browser.newContext();
    page = await context.newPage();
    complaints = [];
    // Includes violations of the content security policy, but not the 4xx answers that a test expects.
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
  });
  afterEach(() => context.close());

  const start = () => page.goto(`${home}/oauth/google/start`);
  /** @param username a regular expression */
  const signedInAs = (username: string) =>
    page
      .getByRole('status')
      .getByText(new RegExp(`You are signed in as ${username}\\.`))
      .waitFor();
  /** The random name of a new account. */
  const NEWCOMER = 'member-\\w{10}';
  const cookies = async () =>
    (await context.cookies(home)).map(({ name }) => name).filter((name) => name !== 'gatehouse_device');
  const problem = (text: string) => page.getByRole('alert').getByText(text).waitFor();
  /** An account with the address of the Google account, whose mailbox Google does not host. */
  const owner = async () => {
    const subject = await gateway.confirm(await gateway.aSubject());
    google.person = aPerson({ email: subject.email });
    return subject;
  };

  it('signs a new person in, and removes the code from the address bar', async () => {
    await start();
    await signedInAs(NEWCOMER);
    expect(page.url()).toBe(home + PATH);
    expect((await cookies()).sort()).toEqual(['gatehouse_access', 'gatehouse_refresh']);
    expect(complaints).toEqual([]);
    // A second time, from the beginning.
    await start();
    await signedInAs(NEWCOMER);
  });

  it('lets the owner of the address log in to their account, and links the two', async () => {
    const subject = await owner();
    await start();
    await page.getByLabel('Username or e-mail address').fill(subject.username);
    await page.getByLabel('Password').fill('a wrong password');
    await page.getByRole('button', { name: 'Sign in and link' }).click();
    await problem('There is no account with this name');
    expect(await cookies()).not.toContain('gatehouse_access');
    await page.getByLabel('Password').fill(subject.password);
    await page.getByRole('button', { name: 'Sign in and link' }).click();
    await signedInAs(subject.username);
    await start();
    await signedInAs(subject.username);
    expect(complaints).toEqual([]);
  });

  it('neither links nor signs in another person who logs in there', async () => {
    await owner();
    const other = await gateway.aSubject();
    await start();
    await page.getByLabel('Username or e-mail address').fill(other.username);
    await page.getByLabel('Password').fill(other.password);
    await page.getByRole('button', { name: 'Sign in and link' }).click();
    await problem('The Google account waits for a different account');
    expect(await page.getByRole('button').count()).toBe(0);
    expect(await cookies()).not.toContain('gatehouse_access');
    await page.getByRole('link', { name: 'Sign in with Google' }).click();
    await page.getByRole('button', { name: 'Sign in and link' }).waitFor();
  });

  it('asks for the second factor, with and without a link', async () => {
    const subject = await owner();
    const { app, recoveryCodes } = await enrol(gateway, subject);
    await start();
    await page.getByLabel('Username or e-mail address').fill(subject.email);
    await page.getByLabel('Password').fill(subject.password);
    await page.getByRole('button', { name: 'Sign in and link' }).click();
    const code = page.getByLabel('Security code');
    await code.fill(app.wrongCode());
    await page.getByRole('button', { name: 'Sign in' }).click();
    await problem('This code is wrong.');
    await code.fill(app.code().replace(/^.../, '$& '));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await signedInAs(subject.username);
    await start();
    await code.fill(recoveryCodes[0] ?? '');
    await code.press('Enter');
    await signedInAs(subject.username);
    expect(complaints).toEqual([]);
  });

  it('explains an error, and offers to start again', async () => {
    google.alteration = { aud: 'somebody-else.apps.example.test' };
    await start();
    await problem('This Google account cannot sign in here.');
    google.alteration = {};
    await page.getByRole('link', { name: 'Sign in with Google' }).click();
    await signedInAs(NEWCOMER);
    for (const [fragment, text] of [
      ['#error=ACCESS_DENIED', 'You cancelled the sign-in at Google.'],
      ['#error=__proto__', 'That did not work.'],
      ['#error=<img src=x onerror=alert(1)>', 'That did not work.'],
      ['#code=of-another-browser', 'This sign-in was started in another browser'],
      ['', 'This page opens at the end of a sign-in with Google.'],
    ]) {
      await page.goto('about:blank');
      await page.goto(home + PATH + fragment);
      await problem(text ?? '');
    }
    expect(complaints).toEqual([]);
  });

  it('signs a new person in and opens the frontend, when there is one', async () => {
    const frontend = createServer((_request, response) => response.end('the frontend'));
    await new Promise<void>((listening) => frontend.listen(0, '127.0.0.1', listening));
    const frontendUrl = `http://localhost:${(frontend.address() as AddressInfo).port}`;
    const PORT = await freePort();
    const url = `http://localhost:${PORT}`;
    const other = await gateway.another({ PORT, PUBLIC_URL: url, CLIENT_ORIGIN: frontendUrl });
    try {
      await page.goto(`${url}/oauth/google/start`);
      await page.waitForURL(`${frontendUrl}/`);
      const names = (await context.cookies(url)).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['gatehouse_access', 'gatehouse_refresh']));
      await page.goto(`${url}/oauth/google/start?again`);
      await page.waitForURL(`${frontendUrl}/`);
      expect(complaints.filter((text) => !text.includes('favicon'))).toEqual([]);
    } finally {
      await other.close();
      frontend.closeAllConnections();
      frontend.close();
    }
  });

  it('is readable on a phone', async () => {
    await owner();
    await page.setViewportSize({ width: 360, height: 740 });
    await start();
    await page.getByRole('button', { name: 'Sign in and link' }).waitFor();
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
  });
});
