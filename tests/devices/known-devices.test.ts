import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { forgottenDevices } from '../../src/devices/index.ts';
import type { Client } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import type { Subject } from '../support/subject.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

const from = (agent: string) => ({ headers: { 'user-agent': agent } });
const markOf = (client: Client) => client.cookies.get('gatehouse_device') ?? '';
const devicesOf = ({ id }: Subject) =>
  gateway.database.query<{ mark_hash: Buffer; agent: string }>(
    'select mark_hash, agent from known_device where user_id = $1 order by last_seen_at',
    [id],
  );
const notices = async ({ email }: Subject) => {
  // The same worker writes the notice of another change later. When that notice has arrived, all earlier ones have too.
  const marker = await gateway.aSubject();
  await gateway.mailbox.expect(marker.email, /confirm/i);
  return (await gateway.mailbox.to(email)).filter(({ subject }) => subject.startsWith('New sign-in'));
};

describe('the cookie of a device', () => {
  it('is set by a sign-in, lives at most 400 days, and cannot be read by scripts', async () => {
    const alice = await gateway.aSubject();
    const cookie = (await alice.login()).headers.getSetCookie().find((text) => /device/.test(text));
    expect(cookie).toMatch(/^gatehouse_device=[\w-]{43}; Max-Age=34560000; Path=\/; HttpOnly; SameSite=Lax$/);
  });

  it('is bound to the host on https, whatever COOKIE_DOMAIN says', async () => {
    const safe = await gateway.another({
      PUBLIC_URL: 'https://auth.example.test',
      COOKIE_DOMAIN: 'example.test',
    });
    try {
      const { headers } = await (await gateway.aSubject()).login({ client: safe.client });
      const cookie = headers.getSetCookie().find((text) => /device/.test(text));
      expect(cookie).toMatch(/^__Host-gatehouse_device=.*; Secure/);
      expect(cookie).not.toMatch(/Domain/);
    } finally {
      await safe.close();
    }
  });

  it('is set neither by a failed login nor by a refresh', async () => {
    const alice = await gateway.aSubject();
    expect((await alice.login({ password: 'a wrong password' })).headers.getSetCookie()).toEqual([]);
    const { refreshToken } = await alice.signedIn();
    const cookies = (await alice.refresh(refreshToken)).headers.getSetCookie();
    expect(cookies.some((text) => /device/.test(text))).toBe(false);
  });

  it('stays the same in one browser, for every account that signs in there', async () => {
    const browser = gateway.browser();
    const [alice, bob] = [await gateway.aSubject(), await gateway.aSubject()];
    await alice.signedIn({ client: browser });
    const mark = markOf(browser);
    await alice.signedIn({ client: browser });
    await bob.signedIn({ client: browser });
    expect(markOf(browser)).toBe(mark);
    expect([await devicesOf(alice), await devicesOf(bob)].map(({ length }) => length)).toEqual([1, 1]);
  });

  it('is replaced when the gateway did not issue it', async () => {
    const alice = await gateway.aSubject();
    const { headers } = await alice.login({ headers: { cookie: 'gatehouse_device=1; x=y' } });
    expect(headers.getSetCookie().join()).toMatch(/gatehouse_device=[\w-]{43};/);
  });

  it('has its value stored as a hash', async () => {
    const alice = await gateway.aSubject();
    const browser = gateway.browser();
    await alice.signedIn({ client: browser });
    const [device] = await devicesOf(alice);
    expect(device?.mark_hash).toEqual(createHash('sha256').update(markOf(browser)).digest());
  });
});

describe('known devices', () => {
  it('are limited to twenty for an account: the one unused for longest is deleted', async () => {
    const alice = await gateway.aSubject();
    for (let device = 0; device < 21; device += 1) await alice.signedIn(from(`Device-${'x'.repeat(device)}`));
    const agents = (await devicesOf(alice)).map(({ agent }) => agent.length - 'Device-'.length);
    expect(agents).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });

  const knows = async (alice: Subject, browser: Client) => {
    const hash = createHash('sha256').update(markOf(browser)).digest();
    return (await devicesOf(alice)).some(({ mark_hash }) => mark_hash.equals(hash));
  };

  it('that never came back are deleted before one that did, whatever user agents they name', async () => {
    const [alice, browser] = [await gateway.aSubject(), gateway.browser()];
    for (let n = 0; n < 2; n += 1) await alice.signedIn({ client: browser });
    for (let run = 0; run < 21; run += 1) await alice.signedIn(from(`Script-${'x'.repeat(run)}`));
    expect(await knows(alice, browser)).toBe(true);
    expect(await devicesOf(alice)).toHaveLength(20);
  });

  it('of a client without cookies evict each other, but never a browser, even one that signed in once', async () => {
    const [alice, browser] = [await gateway.aSubject(), gateway.browser()];
    await alice.signedIn({ client: browser, ...from('Browser') });
    for (let run = 0; run < 21; run += 1) await alice.signedIn(from('Script'));
    expect(await knows(alice, browser)).toBe(true);
    expect(await devicesOf(alice)).toHaveLength(20);
  });

  it('make room for a new one even when all of them came back', async () => {
    const [alice, browser] = [await gateway.aSubject(), gateway.browser()];
    for (let device = 0; device < 20; device += 1) await alice.signedIn(from(`Device-${'x'.repeat(device)}`));
    await gateway.database.query(
      `update known_device set last_seen_at = last_seen_at + interval '1 millisecond' where user_id = $1`,
      [alice.id],
    );
    await alice.signedIn({ client: browser, ...from('Browser') });
    const agents = (await devicesOf(alice)).map(({ agent }) => agent);
    expect([agents.length, agents.includes('Device-'), await knows(alice, browser)]).toEqual([
      20,
      false,
      true,
    ]);
  });

  it('are deleted after 400 days, except the last one of an account', async () => {
    const alice = await gateway.aSubject();
    for (const agent of ['Old', 'Older']) await alice.signedIn(from(agent));
    await gateway.database.query(
      `update known_device set last_seen_at = now() - interval '401 days'
         - case agent when 'Older' then interval '1 day' else interval '0' end where user_id = $1`,
      [alice.id],
    );
    expect(await gateway.gateway.fork().transactional((tx) => forgottenDevices.sweep(tx, 500))).toBe(1);
    expect((await devicesOf(alice)).map(({ agent }) => agent)).toEqual(['Old']);
  });

  it('are deleted with the account', async () => {
    const alice = await gateway.aSubject();
    await alice.signedIn();
    await gateway.database.query('delete from users where id = $1', [alice.id]);
    expect(await devicesOf(alice)).toEqual([]);
  });
});

describe('a notice to the owner', () => {
  it('is not sent for the first sign-in, nor for the same browser after an update', async () => {
    const [alice, browser] = [await gateway.aSubject(), gateway.browser()];
    await alice.signedIn({ client: browser, ...from('Browser/1.0 (Linux)') });
    await alice.signedIn({ client: browser, ...from('Browser/2.17 (Linux)') });
    expect(await notices(alice)).toEqual([]);
  });

  it('is not sent for another user agent with a known cookie', async () => {
    const alice = await gateway.aSubject();
    const browser = gateway.browser();
    await alice.signedIn({ client: browser, ...from('Browser/1.0') });
    await alice.signedIn({ client: browser, ...from('Renamed/1.0') });
    expect(await notices(alice)).toEqual([]);
  });

  it('is sent once for a browser without a cookie, and not when it comes back with its new one', async () => {
    const [alice, stranger] = [await gateway.aSubject(), gateway.browser()];
    await alice.signedIn({ client: gateway.browser(), ...from('Browser/1.0') });
    for (let n = 0; n < 2; n += 1) await alice.signedIn({ client: stranger, ...from('Stranger/1.0') });
    const told = await notices(alice);
    expect(told).toHaveLength(1);
    expect(told[0]?.text).toContain('127.0.0.1');
  });

  it('is sent for a sign-in without a known cookie, even when it names a known user agent', async () => {
    const alice = await gateway.aSubject();
    await alice.signedIn({ client: gateway.browser(), ...from('Browser/1.0') });
    await alice.signedIn({ client: gateway.browser(), ...from('Browser/1.0') });
    expect(await notices(alice)).toHaveLength(1);
  });

  it('is sent for a cookie that only another account knows', async () => {
    const [alice, bob, browser] = [await gateway.aSubject(), await gateway.aSubject(), gateway.browser()];
    await bob.signedIn({ client: browser, ...from('Browser/1.0') });
    await alice.signedIn({ client: gateway.browser(), ...from('Browser/1.0') });
    await alice.signedIn({ client: browser, ...from('Browser/1.0') });
    expect(await notices(alice)).toHaveLength(1);
  });

  it('is sent when a refresh token was used twice', async () => {
    const alice = await gateway.aSubject();
    const first = await alice.signedIn();
    const { data } = await alice.refresh(first.refreshToken);
    await alice.refresh(data?.refresh.refreshToken ?? '');
    expect((await alice.refresh(first.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    await gateway.mailbox.expect(alice.email, /A sign-in of your account was ended/);
  });
});
