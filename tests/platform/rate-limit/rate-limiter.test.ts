import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RateLimited } from '../../../src/platform/errors.ts';
import { InProcessTokenBuckets, RateLimiter, SCARCE } from '../../../src/platform/rate-limit/index.ts';
import { bareAddress, networkOf, networksOf } from '../../../src/platform/request/index.ts';
import { TestClock } from '../../support/clock.ts';
import { TestGateway } from '../../support/gateway.ts';
import { race } from '../../support/race.ts';
import { inOneProcess } from '../../support/topology.ts';
import { takeOne } from './token-buckets.contract.ts';

const rules = { 'a.ip': { burst: 3, perSeconds: 30 }, 'a.account': { burst: 2, perSeconds: 60 } };

describe('a token bucket', () => {
  const clock = new TestClock();
  const buckets = new InProcessTokenBuckets(clock);
  const take = (key: string) => takeOne(buckets, key, rules['a.ip']);

  it('allows its burst at once, then says when to retry, and refills evenly', async () => {
    expect(await Promise.all([take('x'), take('x'), take('x')])).toEqual([0, 0, 0]);
    const wait = await take('x');
    expect(wait).toBe(10);
    clock.advance(wait);
    expect(await take('x')).toBe(0);
    expect(await take('x')).toBeGreaterThan(0);
  });

  it('of one key does not affect the bucket of another key', async () => {
    expect(await take('y')).toBe(0);
  });

  it('never holds more than its burst', async () => {
    clock.advance(1_000_000);
    const waits = await Promise.all([take('x'), take('x'), take('x'), take('x')]);
    expect(waits.filter((wait) => wait === 0)).toHaveLength(3);
  });
});

describe('a full table of token buckets', () => {
  it('evicts the fullest buckets, so that new ones cannot evict an empty one', async () => {
    const clock = new TestClock();
    const buckets = new InProcessTokenBuckets(clock, 100);
    const rule = rules['a.ip'];
    await race(3, () => takeOne(buckets, 'the account', rule));
    await race(5_000, (index) => takeOne(buckets, `another ${index}`, rule));
    expect(await takeOne(buckets, 'the account', rule)).toBeGreaterThan(0);
    clock.advance(29);
    await race(5_000, (index) => takeOne(buckets, `yet another ${index}`, rule));
    clock.advance(1);
    expect(await takeOne(buckets, 'the account', rule)).toBe(0);
  });
});

describe('the rate limiter', () => {
  type Rule = keyof typeof rules;
  const limiter = (overrides = {}) =>
    new RateLimiter<Rule>(new InProcessTokenBuckets(new TestClock()), { enabled: true, rules, overrides });

  it('refuses when any of the buckets is empty', async () => {
    const limits = limiter();
    const charge = (address: string) => limits.charge(['a.ip', [address]], ['a.account', 'alice']);
    await charge('one');
    await charge('two');
    await expect(charge('three')).rejects.toBeInstanceOf(RateLimited);
  });

  it('charges no account bucket when the IP of the client is refused', async () => {
    const limits = limiter();
    const attack = () => limits.charge(['a.ip', ['attacker']], ['a.account', 'another']);
    await race(3, () => attack().catch(() => {}));
    await race(50, () => limits.charge(['a.ip', ['attacker']], ['a.account', 'alice']).catch(() => {}));
    await limits.charge(['a.ip', ['alice at home']], ['a.account', 'alice']);
  });

  it('takes single rules from the settings', async () => {
    const limits = limiter({ 'a.account': { burst: 1, perSeconds: 60 } });
    await limits.charge(['a.account', 'alice']);
    await expect(limits.charge(['a.account', 'alice'])).rejects.toBeInstanceOf(RateLimited);
  });
});

describe('the networks of an IPv6 client', () => {
  type Rule = 'usual.ip' | 'strict.ip';
  const strict = { burst: 20, perSeconds: 3600, wider: SCARCE };
  const limiter = (overrides = {}) =>
    new RateLimiter<Rule>(new InProcessTokenBuckets(new TestClock()), {
      enabled: true,
      rules: { 'usual.ip': { burst: 10, perSeconds: 60 }, 'strict.ip': strict },
      overrides,
    });
  /** @returns how many of the IPs are allowed. */
  const letThrough = async (limits: RateLimiter<Rule>, rule: Rule, addresses: string[]) => {
    const outcomes = await Promise.allSettled(
      addresses.map((address) => limits.charge([rule, networksOf(address)])),
    );
    return outcomes.filter(({ status }) => status === 'fulfilled').length;
  };
  const of64 = Array.from({ length: 400 }, (_, n) => `2001:db8:1:2::${n.toString(16)}`);
  const of56 = Array.from(
    { length: 400 },
    (_, n) => `2001:db8:1:2${(n % 256).toString(16).padStart(2, '0')}::1`,
  );
  const of48 = Array.from({ length: 400 }, (_, n) => `2001:db8:1:${(n * 160).toString(16)}::1`);
  const ofMany48 = Array.from({ length: 400 }, (_, n) => `2001:db8:${n.toString(16)}::1`);

  it('have a burst each: one for a /64, twice that for a /56, four times for a /48', async () => {
    expect(await letThrough(limiter(), 'usual.ip', of64)).toBe(10);
    expect(await letThrough(limiter(), 'usual.ip', of56)).toBe(20);
    expect(await letThrough(limiter(), 'usual.ip', of48)).toBe(40);
    expect(await letThrough(limiter(), 'usual.ip', ofMany48)).toBe(400);
  });

  it('have little more than a single /64 when the rule guards an operation that is worth doing in bulk', async () => {
    expect(await letThrough(limiter(), 'strict.ip', of64)).toBe(20);
    expect(await letThrough(limiter(), 'strict.ip', of56)).toBe(24);
    expect(await letThrough(limiter(), 'strict.ip', of48)).toBe(28);
  });

  it('are not charged for a /64 that is refused', async () => {
    const limits = limiter();
    await letThrough(limits, 'usual.ip', of64);
    expect(await letThrough(limits, 'usual.ip', of48.slice(1))).toBe(30);
  });

  it('grow with the setting of the rule, and each has a setting of its own', async () => {
    const grown = limiter({ 'usual.ip': { burst: 50, perSeconds: 60 } });
    expect(await letThrough(grown, 'usual.ip', of48)).toBe(200);
    const own = limiter({ 'usual.ip/48': { burst: 15, perSeconds: 60 } });
    expect(await letThrough(own, 'usual.ip', of48)).toBe(15);
  });
});

describe('what counts as one client', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s belongs to %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it.each([
    '198.51.100.1',
    '198.51.100.1:4711',
    '::ffff:198.51.100.1',
    '::FFFF:198.51.100.1',
    '::ffff:c633:6401',
    '[::ffff:c633:6401]:4711',
    '0:0:0:0:0:ffff:c633:6401',
    '0000:0000:0000:0000:0000:ffff:198.51.100.1',
    '::ffff:c633:6401%eth0',
  ])('%s counts as its IPv4 address', (address) => {
    expect(networkOf(bareAddress(address) ?? '')).toBe('198.51.100.1');
  });

  it.each([
    ['::198.51.100.1', '0:0:0:0::/64'],
    ['64:ff9b::198.51.100.1', '64:ff9b:0:0::/64'],
    ['2001:db8::ffff:c633:6401', '2001:db8:0:0::/64'],
  ])('%s is not an IPv4 address mapped into IPv6, and belongs to %s', (address, network) => {
    expect(networkOf(bareAddress(address) ?? '')).toBe(network);
  });
});

describe('sensitive operations over the limit', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await TestGateway.start({
      RATE_LIMIT: 'on',
      RATE_LIMIT_RULES: 'login.account=3/300,login.ip=100/60',
    });
  });
  afterAll(() => gateway.close());

  const hashesTried = async () => {
    const [row] = await gateway.database.query<{ count: string }>(
      `select count(*) from audit_event where action = 'login.failed'`,
    );
    return Number(row?.count);
  };

  it('are refused before the hash: 429, Retry-After, also for the right password, known and unknown accounts alike', async () => {
    const alice = await gateway.aSubject();
    const before = await hashesTried();
    await race(20, () => alice.login({ password: 'a wrong password' }));
    expect((await hashesTried()) - before).toBe(3);
    const known = await alice.login();
    const guess = () =>
      gateway.client.raw(
        'mutation { login(input: {identifier: "nobody-here", password: "guess"}) { __typename } }',
      );
    await race(3, guess);
    const unknown = await guess();
    for (const reply of [known, unknown]) {
      expect([reply.status, reply.code]).toEqual([429, 'RATE_LIMITED']);
      expect(reply.headers.get('retry-after')).toBe(String(reply.errors[0]?.extensions?.retryAfterSeconds));
    }
    expect(Number(known.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('are counted under one name whatever its spelling', async () => {
    const alice = await gateway.aSubject();
    const before = await hashesTried();
    for (const identifier of [alice.username, alice.username.toUpperCase(), alice.username, alice.username]) {
      await gateway.client.raw(
        'mutation ($i: String!) { login(input: {identifier: $i, password: "guess"}) { __typename } }',
        { i: identifier },
      );
    }
    expect((await hashesTried()) - before).toBe(3);
  });

  it('by one name do not show the e-mail address that belongs to it', async () => {
    const alice = await gateway.aSubject();
    await race(5, () => alice.login({ password: 'a wrong password' }));
    expect((await alice.login()).code).toBe('RATE_LIMITED');
    const byAddress =
      'mutation ($i: String!) { login(input: {identifier: $i, password: "guess"}) { __typename } }';
    expect((await gateway.client.raw(byAddress, { i: alice.email })).code).toBe('INVALID_CREDENTIALS');
  });

  it('leave an existing session alone while its account is under attack', async () => {
    const alice = await gateway.aSubject();
    const { accessToken, refreshToken } = await alice.signedIn();
    await race(10, () => alice.login({ password: 'a wrong password' }));
    expect((await alice.me(accessToken)).errors).toEqual([]);
    expect((await alice.refresh(refreshToken)).errors).toEqual([]);
  });

  inOneProcess('the clock of the test does not move that of Redis')(
    'become possible again by themselves',
    async () => {
      const alice = await gateway.aSubject();
      await race(5, () => alice.login({ password: 'a wrong password' }));
      expect((await alice.login()).code).toBe('RATE_LIMITED');
      gateway.clock.advance(300);
      expect((await alice.login()).errors).toEqual([]);
    },
  );
});
