/** @topology one: without Redis each process counts for itself */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { hasRedis, TestRedis } from '../support/redis.ts';
import { isSeen } from '../support/session-probe.ts';
import { tokensOf } from '../support/subject.ts';

/** The sizes of the rule refreshRefused.ip. */
const BURST = 120;
const PER_SECOND = 2;
const RULES = 'register.ip=9999/60,refresh.ip=9999/60,login.ip=9999/60';
const REFRESH = 'mutation ($token: String) { refresh(refreshToken: $token) { expiresIn } }';

const LIMITERS = hasRedis ? (['in memory', 'in Redis'] as const) : (['in memory'] as const);

describe.each(LIMITERS)('refused refreshes, counted %s', (where) => {
  let redis: TestRedis | undefined;
  let gateway: TestGateway;
  /** A rule whose bucket is not refilled during a test. */
  let slow: TestGateway;
  beforeAll(async () => {
    redis = where === 'in Redis' ? await TestRedis.start() : undefined;
    gateway = await TestGateway.start({
      RATE_LIMIT: 'on',
      RATE_LIMIT_RULES: RULES,
      TRUSTED_PROXIES: '127.0.0.0/8',
      ...(redis && { REDIS_URL: redis.url }),
    });
    slow = await gateway.another({ RATE_LIMIT_RULES: `${RULES},refreshRefused.ip=${BURST}/99999` });
  });
  afterAll(async () => {
    await slow.close();
    await gateway.close();
    await redis?.close();
  });

  let clients = 0;
  /** The headers of a client with its own IP. */
  const aClient = () => ({ 'x-forwarded-for': `203.0.113.${++clients}` });
  const refresh = (headers: Record<string, string>, token?: string, at = gateway) =>
    at.client.raw(REFRESH, { token }, { headers });
  /** @returns the replies by code, and the largest number that may pass the limit. */
  const inARow = async (times: number, headers: Record<string, string>, token?: string) => {
    const from = Date.now();
    const replies = [];
    for (let index = 0; index < times; index++) replies.push(await refresh(headers, token));
    const most = BURST + PER_SECOND * ((Date.now() - from) / 1000) + 1;
    const limited = replies.filter(({ code }) => code === 'RATE_LIMITED');
    return { refused: replies.filter(({ code }) => code === 'INVALID_REFRESH_TOKEN'), limited, most };
  };
  const spend = async (headers: Record<string, string>) => {
    for (let index = 0; index < BURST; index++) await refresh(headers, undefined, slow);
  };

  it.each([
    ['without a token', undefined],
    ['with a token that the gateway did not make', 'x'.repeat(91)],
  ])('are limited to the burst of 1,000 in a row: %s', async (_, token) => {
    const { refused, limited, most } = await inARow(1_000, aClient(), token);
    expect(refused.length).toBeGreaterThanOrEqual(BURST);
    expect(refused.length).toBeLessThanOrEqual(most);
    expect(refused.length + limited.length).toBe(1_000);
    const [first] = limited;
    expect(first?.status).toBe(429);
    expect(Number(first?.headers.get('retry-after'))).toBe(1);
    expect(first?.errors[0]?.extensions?.retryAfterSeconds).toBe(1);
  });

  it('do not affect other clients, nor successful refreshes from the same IP', async () => {
    const office = aClient();
    const alice = await gateway.aSubject();
    let { refreshToken } = await alice.signedIn();
    await spend(office);
    for (let index = 0; index < 10; index++) {
      const reply = await alice.refresh(refreshToken, slow.client, { headers: office });
      refreshToken = tokensOf(reply).refreshToken;
    }
    expect((await refresh(office, undefined, slow)).code).toBe('RATE_LIMITED');
    expect((await refresh(aClient(), undefined, slow)).code).toBe('INVALID_REFRESH_TOKEN');
  });

  it('are the only ones that are charged: an office may refresh more often than the burst', async () => {
    const office = aClient();
    const alice = await gateway.aSubject();
    let { refreshToken } = await alice.signedIn();
    for (let index = 0; index < BURST + 30; index++) {
      refreshToken = tokensOf(
        await alice.refresh(refreshToken, gateway.client, { headers: office }),
      ).refreshToken;
    }
    const { refused } = await inARow(BURST, office);
    expect(refused).toHaveLength(BURST);
  });

  it('end the session of a token that was used before, even when the reply is the limit', async () => {
    const thief = aClient();
    const alice = await gateway.aSubject();
    const { refreshToken, sessionId } = await alice.signedIn();
    const next = tokensOf(await alice.refresh(refreshToken));
    await alice.me(next.accessToken);
    await isSeen(gateway.sessions, alice.id, sessionId, 1);
    await gateway.sessions.age(alice.id, sessionId, 31);
    await spend(thief);
    expect((await refresh(thief, refreshToken, slow)).code).toBe('RATE_LIMITED');
    expect((await refresh(aClient(), next.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
  });
});
