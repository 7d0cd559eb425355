/** @topology one: has two processes of its own, and stops Redis under them */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SCHEMA } from '../../../src/modules.ts';
import { createOrm } from '../../../src/platform/database/index.ts';
import { PostgresEventFeed, RedisEventFeed } from '../../../src/platform/events/index.ts';
import { RedisConnection } from '../../../src/platform/redis/index.ts';
import { Client } from '../../support/client.ts';
import { createTestDatabase } from '../../support/database.ts';
import { TestGateway } from '../../support/gateway.ts';
import { LogoutDocument } from '../../support/generated/operations.ts';
import { eventually } from '../../support/race.ts';
import { hasRedis, TestCluster, TestRedis, TestSentinel } from '../../support/redis.ts';
import { eventFeedContract } from './event-feed.contract.ts';

const onDatabase = async () => {
  const database = await createTestDatabase();
  const orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 4 });
  const close = async () => {
    await orm.close();
    await database.drop();
  };
  return { database, fork: () => orm.em.fork(), close };
};

eventFeedContract('PostgreSQL', async () => {
  const { database, fork, close } = await onDatabase();
  const feed = new PostgresEventFeed(database.servingUrl, () => {});
  const elsewhere = new PostgresEventFeed(database.servingUrl, () => {});
  return {
    feed,
    elsewhere,
    fork,
    async cut() {
      await database.querySuperuser(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where application_name = 'gatehouse feed' and datname = $1`,
        [new URL(database.servingUrl).pathname.slice(1)],
      );
    },
    async close() {
      await Promise.all([feed.close(), elsewhere.close()]);
      await close();
    },
  };
});

/** The owners of the listening connections. */
const servers = {
  Redis: async () => {
    const redis = await TestRedis.start();
    return { redis, listened: [redis] };
  },
  'Redis behind Sentinel': async () => {
    const redis = await TestSentinel.start();
    return { redis, listened: [redis.primary] };
  },
  'a cluster of Redis': async () => {
    const redis = await TestCluster.start();
    return { redis, listened: redis.nodes };
  },
};
for (const [name, start] of hasRedis ? Object.entries(servers) : []) {
  eventFeedContract(name, async () => {
    const { fork, close } = await onDatabase();
    const { redis, listened } = await start();
    const connection = (purpose: 'commands' | 'events') =>
      new RedisConnection({ url: redis.url, purpose, log: () => {} });
    const commands = connection('commands');
    await commands.start();
    const feed = new RedisEventFeed(commands, connection('events'));
    const elsewhere = new RedisEventFeed(commands, connection('events'));
    return {
      feed,
      elsewhere,
      fork,
      async cut() {
        for (const server of listened) await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
      },
      async close() {
        await Promise.all([feed.close(), elsewhere.close()]);
        commands.close();
        await redis.close();
        await close();
      },
    };
  });
}

(hasRedis ? describe : describe.skip)('gateways with REDIS_URL', () => {
  let redis: TestRedis;
  let gateway: TestGateway;
  let second: TestGateway;

  beforeAll(async () => {
    redis = await TestRedis.start();
    gateway = await TestGateway.start({
      REDIS_URL: redis.url,
      RATE_LIMIT: 'on',
      RATE_LIMIT_RULES: 'login.account=4/3600,login.ip=9999/60,register.ip=9999/60',
    });
    second = await gateway.another();
  });
  afterAll(async () => {
    await second.close();
    await gateway.close();
    await redis.close();
  });

  const ready = async () => {
    const response = await fetch(`${gateway.url}/health/ready`);
    const { parts } = (await response.json()) as { parts: Record<string, string> };
    return { status: response.status, redis: parts.redis };
  };
  const isUp = () => eventually(ready, ({ redis: state }) => state === 'up');
  /** A revocation here is known there within a second. */
  const endsEverywhere = async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const there = new Client(second.url);
    expect((await alice.me(accessToken, there)).errors).toEqual([]);
    await gateway.client.execute(LogoutDocument, {}, { bearer: accessToken });
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    await eventually(
      () => alice.me(accessToken, there),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_000 },
    );
  };

  it('hold no listening connection to PostgreSQL', async () => {
    const [row] = await gateway.database.querySuperuser<{ count: string }>(
      `select count(*) from pg_stat_activity where application_name = 'gatehouse feed' and datname = $1`,
      [new URL(gateway.database.servingUrl).pathname.slice(1)],
    );
    expect(row?.count).toBe('0');
    expect(await ready()).toEqual({ status: 200, redis: 'up' });
  });

  it('count one limit together', async () => {
    const alice = await gateway.aSubject();
    const there = new Client(second.url);
    const codes: unknown[] = [];
    for (let attempt = 0; attempt < 6; attempt += 1) {
      const client = attempt % 2 === 0 ? gateway.client : there;
      codes.push((await alice.login({ client, password: 'a wrong password' })).code);
    }
    expect(codes.filter((code) => code === 'INVALID_CREDENTIALS')).toHaveLength(4);
    expect(codes.slice(4)).toEqual(['RATE_LIMITED', 'RATE_LIMITED']);
  });

  it("learn of each other's revocations", () => endsEverywhere());

  it('know revocations within a second, limit requests and log the outage while Redis is killed, and recover by themselves', async () => {
    await redis.kill();
    await eventually(ready, ({ status, redis: state }) => status === 503 && state === 'away');
    await endsEverywhere();
    const alice = await gateway.aSubject();
    const codes: unknown[] = [];
    for (let attempt = 0; attempt < 4; attempt += 1)
      codes.push((await alice.login({ password: 'a wrong password' })).code);
    // Half of the four allowed with Redis.
    expect(codes).toEqual(['INVALID_CREDENTIALS', 'INVALID_CREDENTIALS', 'RATE_LIMITED', 'RATE_LIMITED']);
    await redis.restart();
    expect((await isUp()).status).toBe(200);
    await endsEverywhere();
  });

  it('answer in bounded time and know revocations within a second while Redis hangs', async () => {
    redis.freeze();
    try {
      const before = performance.now();
      const alice = await gateway.aSubject();
      await alice.signedIn();
      expect(performance.now() - before).toBeLessThan(2_000);
      await endsEverywhere();
    } finally {
      redis.thaw();
    }
    await isUp();
    await endsEverywhere();
  });
});
