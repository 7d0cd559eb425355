import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestOptions } from '../../support/client.ts';
import { TestGateway } from '../../support/gateway.ts';
import { LoginDocument, RegisterDocument } from '../../support/generated/operations.ts';
import { race } from '../../support/race.ts';
import { hasRedis, TestRedis } from '../../support/redis.ts';
import { topology } from '../../support/topology.ts';

// This suite has two processes of its own.
(hasRedis && topology === 'one' ? describe : describe.skip)(
  'a client that uses every /64 of its /48, over two processes on one Redis',
  () => {
    let redis: TestRedis;
    let one: TestGateway;
    let other: TestGateway;

    beforeAll(async () => {
      redis = await TestRedis.start();
      one = await TestGateway.start({
        RATE_LIMIT: 'on',
        REDIS_URL: redis.url,
        TRUSTED_PROXIES: '127.0.0.0/8',
      });
      other = await one.another();
    });
    afterAll(async () => {
      await other.close();
      await one.close();
      await redis.close();
    });

    const client = (index: number) => (index % 2 === 0 ? one : other).client;
    /** One /64 each, spread over the /56s of one /48. */
    const from = (index: number): RequestOptions => ({
      headers: { 'x-forwarded-for': `2001:db8:7:${(index * 160).toString(16)}::1` },
    });
    const letThrough = (codes: readonly unknown[]) => codes.filter((code) => code !== 'RATE_LIMITED').length;

    it('gets 168 of 400 public profiles at once, and the few that are refilled meanwhile', async () => {
      const codes: unknown[] = [];
      const start = performance.now();
      for (let round = 0; round < 8; round += 1) {
        const replies = await race(50, (index) =>
          client(index).raw('{ publicProfile(username: "x") { username } }', {}, from(round * 50 + index)),
        );
        codes.push(...replies.map(({ code }) => code));
      }
      const perSecond = 168 / 120;
      const seconds = (performance.now() - start) / 1000;
      expect(letThrough(codes)).toBeGreaterThanOrEqual(168);
      expect(letThrough(codes)).toBeLessThanOrEqual(169 + perSecond * seconds);
    });

    it('gets 28 of 40 registrations at once', async () => {
      const replies = await race(40, (index) =>
        client(index).execute(
          RegisterDocument,
          {
            input: {
              username: `flood-${index}`,
              email: `flood-${index}@example.test`,
              password: 'copper lantern drifting',
            },
          },
          from(index),
        ),
      );
      expect(letThrough(replies.map(({ code }) => code))).toBe(28);
    });

    it('cannot stop a known device in the same /48 from signing in', async () => {
      const alice = await one.aSubject();
      const browser = one.browser();
      await alice.signedIn({ client: browser });
      const guess = (index: number) =>
        client(index).execute(
          LoginDocument,
          { input: { identifier: `nobody-${index}`, password: 'a wrong password' } },
          from(index),
        );
      const codes = (await race(200, guess)).map(({ code }) => code);
      expect(letThrough(codes)).toBeLessThan(150);
      expect((await alice.login({ client: one.client, ...from(399) })).code).toBe('RATE_LIMITED');
      expect((await alice.login({ client: browser, ...from(399) })).code).toBeUndefined();
    });

    it('may sign in 120 times at once from its own known device', async () => {
      const mallory = await one.aSubject();
      const browser = one.browser();
      await mallory.signedIn({ client: browser });
      const cookie = `gatehouse_device=${browser.cookies.get('gatehouse_device')}`;
      const start = performance.now();
      const codes: unknown[] = [];
      // Five at a time: each is charged one of the device's ten failures until it succeeds.
      for (let round = 0; round < 40; round += 1) {
        const login = (index: number) => {
          const { headers } = from(round * 5 + index);
          return mallory.login({ client: client(index), headers: { ...headers, cookie } });
        };
        codes.push(...(await race(5, login)).map(({ code }) => code));
      }
      const seconds = (performance.now() - start) / 1000;
      expect(letThrough(codes)).toBeGreaterThanOrEqual(115);
      expect(letThrough(codes)).toBeLessThanOrEqual(121 + 2 * seconds);
    });
  },
);
