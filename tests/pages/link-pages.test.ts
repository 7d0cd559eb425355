/** @topology one: a browser opens one address */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Page, Request } from 'playwright-core';
import { hasBrowser, launchBrowser } from '../support/browser.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  ConfirmEmailDocument,
  RecoverAccountDocument,
  ResetPasswordDocument,
} from '../support/generated/operations.ts';
import { tokenOf } from '../support/mailbox.ts';
import { freePort } from '../support/process.ts';
import { Subject } from '../support/subject.ts';

const PATHS = ['/confirm-email', '/reset-password', '/undo-email-change'];
const ELSEWHERE = 'http://localhost:3000,http://localhost:4000';
const NEW = 'seven quiet lanterns';

describe.each(PATHS)('the page %s', (path) => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start({ PRODUCT_NAME: "Ada & Grace's", REQUIRE_REQUEST_ID: 'true' });
  });
  afterAll(() => gateway.close());

  it('is not cached, loads nothing, runs only its own script, and sends no referrer', async () => {
    const response = await fetch(gateway.url + path);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'sha256-[^ ]+'; style-src 'sha256-[^ ]+'; connect-src 'self';/,
    );
    expect(policy).not.toContain('unsafe');
    const html = await response.text();
    expect(html).not.toMatch(/https?:|src=|@import|url\(/);
    expect(html).toContain('Ada &amp; Grace&#39;s');
  });

  it('opens from a mail on another site, whatever cookies the browser has', async () => {
    const headers = {
      'sec-fetch-site': 'cross-site',
      cookie: `gatehouse_registration=${'x'.repeat(43)}; gatehouse_access=y`,
    };
    expect((await fetch(gateway.url + path, { headers })).status).toBe(200);
  });

  it.each([
    ['in production', { NODE_ENV: 'production', RATE_LIMIT: 'on', PASSWORD_BCRYPT_COST: '10' }, 200],
    ['beside a frontend', { CLIENT_ORIGIN: ELSEWHERE }, 200],
    ['when the frontend has the pages', { CLIENT_ORIGIN: ELSEWHERE, LINK_PAGES: 'client' }, 404],
    ['when mails carry no link', { LINK_PAGES: 'off' }, 404],
  ])('exists only when mails link to the gateway: %s', async (_, settings, status) => {
    const other = await gateway.another({ REQUIRE_REQUEST_ID: 'false', ...settings });
    try {
      expect((await fetch(other.url + path)).status).toBe(status);
    } finally {
      await other.close();
    }
  });
});

describe.each([
  ['the gateway', {}, 'http://localhost:4000'],
  ['the gateway beside a frontend', { CLIENT_ORIGIN: ELSEWHERE }, 'http://localhost:4000'],
  ['the frontend', { CLIENT_ORIGIN: ELSEWHERE, LINK_PAGES: 'client' }, 'http://localhost:3000'],
])('links that open at %s', (_, settings, origin) => {
  it('begin with its origin, for each page', async () => {
    const gateway = await TestGateway.start(settings);
    try {
      const alice = await gateway.confirm(await gateway.aSubject());
      const { accessToken: bearer } = await alice.signedIn();
      const { password, email } = alice;
      await gateway.client.execute(RecoverAccountDocument, { email });
      const newEmail = `new-${email}`;
      await gateway.client.execute(ChangeEmailDocument, { newEmail, password }, { bearer });
      for (const [address, path] of [
        [newEmail, 'confirm-email'],
        [email, 'reset-password'],
        [email, 'undo-email-change'],
      ] as const) {
        const { text, html } = await gateway.mailbox.expect(address, new RegExp(`/${path}#token=`));
        expect(text).toMatch(new RegExp(`^${origin}/${path}#token=[\\w-]{43}$`, 'm'));
        expect(html).toContain(`href="${origin}/${path}#token=`);
      }
    } finally {
      await gateway.close();
    }
  });
});

describe('with LINK_PAGES=off', () => {
  it('mails carry a code instead of a link, and the code works like the link', async () => {
    const gateway = await TestGateway.start({ LINK_PAGES: 'off' });
    try {
      const alice = await gateway.aSubject();
      await gateway.client.execute(RecoverAccountDocument, { email: alice.email });
      const confirmation = await gateway.mailbox.expect(alice.email, /Confirm this address:/);
      const recovery = await gateway.mailbox.expect(alice.email, /Set a new password:/);
      for (const { text, html } of [confirmation, recovery])
        expect(text + html).not.toMatch(/https?:|link|href/);
      const codeOf = ({ text }: { text: string }) => /^[\w-]{43}$/m.exec(text)?.[0] ?? '';
      expect(recovery.html).toContain(codeOf(recovery));
      const confirmed = await gateway.client.execute(ConfirmEmailDocument, {
        token: codeOf(confirmation),
        password: alice.password,
      });
      expect(confirmed.data?.confirmEmail.emailConfirmed).toBe(true);
      const reset = { token: codeOf(recovery), newPassword: NEW };
      expect((await gateway.client.execute(ResetPasswordDocument, reset)).data?.resetPassword).toBe(true);
    } finally {
      await gateway.close();
    }
  });
});

(hasBrowser ? describe : describe.skip)('in a browser', () => {
  let gateway: TestGateway;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let requests: Request[];
  let complaints: string[];

  beforeAll(async () => {
    const PORT = await freePort();
    gateway = await TestGateway.start({
      PORT,
      PUBLIC_URL: `http://127.0.0.1:${PORT}`,
      REQUIRE_REQUEST_ID: 'false',
    });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await gateway.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    page = await context.newPage();
    requests = [];
    complaints = [];
    page.on('request', (request) => requests.push(request));
    // Includes violations of the content security policy.
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
  });
  afterEach(async () => {
    await context.close();
  });

  /** A person who registered in this browser. */
  const aSubjectHere = async (): Promise<Subject> => {
    const client = gateway.browser();
    const subject = await Subject.register(client);
    const value = client.cookies.get('gatehouse_registration') ?? '';
    await context.addCookies([{ name: 'gatehouse_registration', value, url: gateway.url }]);
    return subject;
  };
  const linkOf = async (subject: Subject, about: RegExp): Promise<string> => {
    const { text } = await gateway.mailbox.expect(subject.email, about);
    return /http\S+#token=\S+/.exec(text)?.[0] ?? '';
  };
  const recoveryLink = async (subject: Subject): Promise<string> => {
    await gateway.client.execute(RecoverAccountDocument, { email: subject.email });
    return linkOf(subject, /\/reset-password#/);
  };
  /** Changes the address as a thief would. @returns the access token of the request */
  const changeAddress = async (alice: Subject): Promise<string> => {
    const { accessToken } = await alice.signedIn();
    await gateway.client.raw(
      'mutation ($email: EmailAddress!, $password: String) { changeEmail(newEmail: $email, password: $password) { id } }',
      { email: `thief-${alice.email}`, password: alice.password },
      { bearer: accessToken },
    );
    return accessToken;
  };
  const sent = () => requests.filter((request) => request.url().endsWith('/graphql'));

  it('a link opens a page that uses up nothing, and the token leaves the address bar at once', async () => {
    const alice = await gateway.aSubject();
    const link = await linkOf(alice, /\/confirm-email#/);
    await page.goto(link);
    await page.getByRole('button', { name: 'Confirm this address' }).waitFor();
    expect(page.url()).toBe(`${gateway.url}/confirm-email`);
    // Long enough for a mail scanner that runs scripts.
    await page.waitForTimeout(1_000);
    expect(requests.map((request) => request.url().replace(/#.*/, ''))).toEqual([
      `${gateway.url}/confirm-email`,
    ]);
    const { accessToken } = await alice.signedIn();
    expect((await alice.me(accessToken)).data?.me?.emailConfirmed).toBe(false);
    expect(complaints).toEqual([]);
  });

  it('with a frontend, the page leads to it at the end', async () => {
    const PORT = await freePort();
    const settings = { PORT, PUBLIC_URL: `http://127.0.0.1:${PORT}`, CLIENT_ORIGIN: 'http://127.0.0.1:3999' };
    const other = await gateway.another(settings);
    try {
      const alice = await aSubjectHere();
      const token = await gateway.mailbox.token(alice.email, 'confirm-email');
      await page.goto(`${other.url}/confirm-email#token=${token}`);
      const onward = page.getByRole('link', { name: 'Go on to 127.0.0.1:3999' });
      await page.getByRole('button').waitFor();
      expect(await onward.isVisible()).toBe(false);
      await page.getByRole('button').click();
      await onward.waitFor();
      expect(await onward.getAttribute('href')).toBe('http://127.0.0.1:3999');
    } finally {
      await other.close();
    }
  });

  it('the button confirms the address in the browser that registered, and the page says so', async () => {
    const alice = await aSubjectHere();
    await page.goto(await linkOf(alice, /\/confirm-email#/));
    await page.getByRole('button', { name: 'Confirm this address' }).click();
    await page.getByRole('status').getByText('your e-mail address is confirmed').waitFor();
    expect(await page.getByRole('button').count()).toBe(0);
    const { accessToken } = await alice.signedIn();
    expect((await alice.me(accessToken)).data?.me?.emailConfirmed).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('another browser asks for the password of the registration, and reports a wrong one', async () => {
    const alice = await gateway.aSubject();
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(await linkOf(alice, /\/confirm-email#/));
    const field = page.getByLabel('Password of this registration');
    expect(await field.isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Confirm this address' }).click();
    await page.getByText('You did not register in this browser.').waitFor();
    expect(await field.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true);
    expect(await field.getAttribute('autocomplete')).toBe('current-password');
    // An empty field is not sent.
    await page.getByRole('button').click();
    expect(sent()).toHaveLength(1);
    await field.fill('not my velvet anchor');
    await field.press('Enter');
    await page.getByRole('alert').getByText('This is not the password of this registration.').waitFor();
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    await field.fill(alice.password);
    await field.press('Enter');
    await page.getByRole('status').getByText('your e-mail address is confirmed').waitFor();
    const { accessToken } = await alice.signedIn();
    expect((await alice.me(accessToken)).data?.me?.emailConfirmed).toBe(true);
    expect(complaints).toEqual([]);
  });

  it('a used link shows that it is no longer valid', async () => {
    const alice = await aSubjectHere();
    const link = await linkOf(alice, /\/confirm-email#/);
    for (const outcome of ['your e-mail address is confirmed', 'This link is no longer valid']) {
      await page.goto('about:blank');
      await page.goto(link);
      await page.getByRole('button').click();
      await page.getByText(outcome).waitFor();
    }
    expect(await page.getByRole('button').count()).toBe(0);
  });

  it('the newer of two links in the same tab is used', async () => {
    const [alice, grace] = [await gateway.aSubject(), await aSubjectHere()];
    await page.goto(await linkOf(alice, /\/confirm-email#/));
    await page.goto(await linkOf(grace, /\/confirm-email#/));
    await page.getByRole('button').click();
    await page.getByRole('status').getByText('confirmed').waitFor();
    const confirmed = async (subject: Subject) =>
      (await subject.me((await subject.signedIn()).accessToken)).data?.me?.emailConfirmed;
    expect([await confirmed(alice), await confirmed(grace)]).toEqual([false, true]);
  });

  it('without a token the page asks for the link, and has no button', async () => {
    for (const path of PATHS) {
      await page.goto(gateway.url + path);
      await page.getByText('This page opens from a link in a mail.').waitFor();
      expect(await page.getByRole('button').count()).toBe(0);
    }
  });

  it('a refused password is reported at its field and can be corrected, and is then set', async () => {
    const alice = await gateway.aSubject();
    await page.goto(await recoveryLink(alice));
    const field = page.getByLabel('New password');
    expect(await field.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true);
    await field.fill('short');
    await page.getByRole('button').click();
    await page.getByRole('alert').filter({ hasText: /12/ }).waitFor();
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    await field.fill(NEW);
    await page.getByLabel('Show the password').check();
    expect(await field.getAttribute('type')).toBe('text');
    await page.keyboard.press('Tab');
    await page.getByRole('button').press('Enter');
    await page.getByRole('status').getByText('Your password is set').waitFor();
    const [mark] = await context.cookies(gateway.url);
    expect(mark?.name).toBe('gatehouse_device');
    expect((await alice.login({ password: NEW })).errors).toEqual([]);
  });

  it('an undo link restores the address', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const accessToken = await changeAddress(alice);
    await page.goto(await linkOf(alice, /\/undo-email-change#/));
    await page.getByRole('button', { name: 'Bring my address back' }).click();
    await page.getByRole('status').getByText('Your address is back').waitFor();
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    expect(complaints).toEqual([]);
  });

  it('the button can be pressed again when the gateway cannot be reached', async () => {
    const alice = await aSubjectHere();
    await page.goto(await linkOf(alice, /\/confirm-email#/));
    await context.setOffline(true);
    await page.getByRole('button').click();
    await page.getByRole('alert').getByText('That did not work').waitFor();
    await context.setOffline(false);
    await page.getByRole('button').click();
    await page.getByRole('status').getByText('confirmed').waitFor();
  });

  it('only the request that uses the token contains it, and no log line does', async () => {
    const alice = await aSubjectHere();
    await page.goto(await linkOf(alice, /\/confirm-email#/));
    await page.getByRole('button').click();
    await page.getByRole('status').getByText('confirmed').waitFor();
    const [request] = sent();
    expect((await request?.allHeaders())?.referer).toBeUndefined();
    const token = tokenOf(await gateway.mailbox.expect(alice.email, /\/confirm-email#/));
    expect(request?.postData()).toContain(token);
    expect(gateway.logLines.join('')).not.toContain(token);
  });

  it('an undo sends no cookie of a signed-in visitor', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    await context.addCookies([{ name: 'gatehouse_access', value: 'marked', url: gateway.url }]);
    await changeAddress(alice);
    await page.goto(await linkOf(alice, /\/undo-email-change#/));
    await page.getByRole('button').click();
    await page.getByRole('status').getByText('Your address is back').waitFor();
    expect((await sent()[0]?.allHeaders())?.cookie).toBeUndefined();
  });

  it('the mailbox lists mails and shows each, and its links work', async () => {
    const alice = await aSubjectHere();
    await linkOf(alice, /\/confirm-email#/);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(`${gateway.url}/dev/mailbox`);
    await page.getByRole('link', { name: alice.email }).click();
    const opened = context.waitForEvent('page');
    await page.frameLocator('iframe').getByRole('link', { name: 'Confirm this address' }).click();
    const linked = await opened;
    await linked.getByRole('button', { name: 'Confirm this address' }).click();
    await linked.getByRole('status').getByText('confirmed').waitFor();
    await linked.close();
    const again = context.waitForEvent('page', { timeout: 5_000 });
    await page.bringToFront();
    await page.getByRole('link', { name: /confirm-email#token=/ }).press('Enter');
    await (await again).getByRole('button', { name: 'Confirm this address' }).waitFor();
    // It is readable on a phone, without sideways scrolling.
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    expect(complaints).toEqual([]);
  });
});
