/** @timing: expects a refusal within 100 ms while Redis is away */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId } from '../../../src/platform/id.ts';
import { InProcessTokenBuckets, RedisTokenBuckets } from '../../../src/platform/rate-limit/index.ts';
import { RedisConnection } from '../../../src/platform/redis/index.ts';
import { TestClock } from '../../support/clock.ts';
import { elapse, eventually, race } from '../../support/race.ts';
import { hasRedis, TestCluster, TestRedis, TestSentinel } from '../../support/redis.ts';
import { takeOne, tokenBucketsContract } from './token-buckets.contract.ts';

tokenBucketsContract('in this process', async () => {
  const clock = new TestClock();
  const buckets = new InProcessTokenBuckets(clock);
  return {
    buckets,
    elsewhere: buckets,
    pass: async (milliseconds) => clock.advance(milliseconds / 1000),
    close: async () => {},
  };
});

const connectTo = async (redis: { readonly url: string }, log: (message: string) => void = () => {}) => {
  const connection = new RedisConnection({ url: redis.url, purpose: 'commands', log });
  await connection.start();
  return connection;
};

const servers = {
  Redis: () => TestRedis.start(),
  'Redis behind Sentinel': () => TestSentinel.start(),
  'a cluster of Redis': () => TestCluster.start(),
};
for (const [name, start] of hasRedis ? Object.entries(servers) : []) {
  tokenBucketsContract(`in ${name}`, async () => {
    const redis = await start();
    const connections = [await connectTo(redis), await connectTo(redis)] as const;
    const [buckets, elsewhere] = connections.map(
      (connection) =>
        new RedisTokenBuckets(connection, new TestClock(), (message) => {
          throw new Error(`the contract was tried on something else than Redis: ${message}`);
        }),
    ) as [RedisTokenBuckets, RedisTokenBuckets];
    return {
      buckets,
      elsewhere,
      pass: (milliseconds) => elapse(milliseconds, 'Redis counts by its own clock'),
      async close() {
        for (const connection of connections) connection.close();
        await redis.close();
      },
    };
  });
}

(hasRedis ? describe : describe.skip)('token buckets in Redis', () => {
  let redis: TestRedis;
  let connection: RedisConnection;
  let buckets: RedisTokenBuckets;
  let log: string[];
  let key: string;

  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.close());
  beforeEach(async () => {
    log = [];
    key = newId();
    connection = await connectTo(redis);
    buckets = new RedisTokenBuckets(connection, new TestClock(), (message) => log.push(message));
  });
  afterEach(() => connection.close());

  const rule = { burst: 10, perSeconds: 3600 };
  const takes = (count: number) => race(count, () => takeOne(buckets, key, rule));
  const given = (waits: readonly number[]) => waits.filter((wait) => wait === 0).length;
  const isBack = () => eventually(async () => connection.isUp(), Boolean);

  it('are deleted when they are full, and contain no username or e-mail address', async () => {
    await redis.command('FLUSHALL');
    await takeOne(buckets, 'login.account:alice@example.test', { burst: 2, perSeconds: 0.2 });
    const keys = (await redis.command('KEYS', '*')) as string[];
    expect(keys).toEqual([expect.stringMatching(/^gatehouse:bucket:\{[\w-]{22}\}[\w-]{22}$/)]);
    const isEmpty = (found: unknown) => found === 0;
    await eventually(() => redis.command('DBSIZE'), isEmpty, { withinMilliseconds: 1_000 });
  });

  it('still work after Redis forgot the script', async () => {
    await takes(6);
    await redis.command('SCRIPT', 'FLUSH');
    expect(given(await takes(10))).toBe(4);
    expect(log).toEqual([]);
  });

  it('are replaced by local ones of half the size while Redis is killed, and used again when it is back', async () => {
    await takes(1);
    await redis.kill();
    expect(given(await takes(100))).toBe(5);
    expect(log).toEqual([expect.stringContaining('in this process alone')]);
    await redis.restart();
    await isBack();
    expect(given(await takes(100))).toBe(10);
    expect(log).toEqual([expect.anything(), expect.stringContaining('in Redis again')]);
  });

  it('are answered within a second when Redis hangs, at once from then on, and never without a limit', async () => {
    await takes(10);
    redis.freeze();
    try {
      const before = performance.now();
      expect(given(await takes(100))).toBe(5);
      const first = performance.now();
      expect(given(await takes(100))).toBe(0);
      expect(first - before).toBeLessThan(1_000);
      expect(performance.now() - first).toBeLessThan(100);
    } finally {
      redis.thaw();
    }
    await isBack();
    expect(given(await takes(100))).toBe(0);
    expect(log).toHaveLength(2);
  });

  it('are replaced by local ones when Redis refuses to write, and the connection is kept', async () => {
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    try {
      expect(given(await takes(100))).toBe(5);
      expect(connection.isUp()).toBe(true);
    } finally {
      await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    }
    expect(given(await takes(100))).toBe(10);
    expect(log).toHaveLength(2);
  });

  it('allow at least one call when they are halved', async () => {
    await redis.kill();
    try {
      expect(await takeOne(buckets, key, { burst: 1, perSeconds: 60 })).toBe(0);
      expect(await takeOne(buckets, key, { burst: 1, perSeconds: 60 })).toBe(120);
    } finally {
      await redis.restart();
    }
  });
});
