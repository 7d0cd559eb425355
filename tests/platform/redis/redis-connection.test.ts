/** @timing: expects a refusal within 50 ms while Redis is away */
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ErrorCode } from '../../../src/platform/errors.ts';
import { RedisAway, RedisConnection, redisAddress, redisUrl } from '../../../src/platform/redis/index.ts';
import { freePort } from '../../support/process.ts';
import { elapse, eventually } from '../../support/race.ts';
import { hasRedis, TestRedis } from '../../support/redis.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

describe('REDIS_URL', () => {
  it.each([
    'redis://localhost',
    'rediss://name:pass%2Fword@redis.example:6380/3',
    'redis://:secret@10.0.0.1',
    'redis://[::1]:6380',
    'redis+sentinel://name:pass%2Fword@a:26379,b/main',
    'rediss+sentinel://10.0.0.1/main.primary_1/3',
    'redis+cluster://:secret@a:1,b:2,[fe80::1]',
    'rediss+cluster://a/',
  ])('may be %s', (url) => {
    expect(redisUrl(url)).toBe(url);
  });

  it.each([
    'localhost:6379',
    'http://localhost',
    'redis://',
    'redis://:marked%zz@host',
    'redis://:marked@host/name',
    'redis://:marked@host?family=6',
    'redis://marked@a:1,b:2',
    'redis://marked@host:99999',
    'redis+sentinel://:marked@a:1,b:2',
    'redis+sentinel://:marked@a:1,/main',
    'redis+sentinel://:marked@a:1/main/first',
    'redis+sentinel://:marked@a:1/main?db=1',
    'redis+cluster://:marked@a:1,b:2/1',
    'redis+proxy://:marked@a:1',
  ])('may not be %s, and the error does not repeat it', (url) => {
    let message = '';
    expect(() => {
      try {
        redisUrl(url);
      } catch (error) {
        message = String(error);
        throw error;
      }
    }).toThrow();
    expect(message).not.toContain('marked');
  });
});

describe('a parsed REDIS_URL', () => {
  it('has the written parts', () => {
    expect(redisAddress('rediss+sentinel://name:pass%2Fword@a:1,[::1]/main/3')).toEqual({
      kind: 'sentinel',
      nodes: [
        { host: 'a', port: 1 },
        { host: '::1', port: 26_379 },
      ],
      primaryName: 'main',
      tls: true,
      username: 'name',
      password: 'pass/word',
      database: 3,
    });
    expect(redisAddress('redis://:secret@host')).toMatchObject({
      kind: 'node',
      nodes: [{ host: 'host', port: 6379 }],
      tls: false,
      username: undefined,
      password: 'secret',
      database: 0,
    });
  });
});

const WRITE = `return redis.call('INCR', KEYS[1])`;

(hasRedis ? describe : describe.skip)('a connection to Redis', () => {
  let redis: TestRedis;
  let connection: RedisConnection;
  let log: string[];
  let reasons: string[];
  const open = (url = redis.url) =>
    new RedisConnection({
      url,
      purpose: 'commands',
      log: (message, error) => {
        log.push(message);
        reasons.push(inspect(error));
      },
    });
  const comesBack = () => eventually(async () => connection.isUp(), Boolean);

  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.close());
  beforeEach(async () => {
    log = [];
    reasons = [];
    connection = open();
    await connection.start();
  });
  afterEach(() => connection.close());

  const failure = async (work: () => Promise<unknown>) => {
    const before = performance.now();
    const error = await work().catch((reason: unknown) => reason);
    return { error, milliseconds: performance.now() - before };
  };

  it('sends commands and returns their replies', async () => {
    expect(connection.isUp()).toBe(true);
    await connection.probe();
    expect(log).toEqual([]);
  });

  it('fails at once with SERVICE_UNAVAILABLE when the server is killed, and recovers by itself', async () => {
    await redis.kill();
    await eventually(
      async () => connection.isUp(),
      (up) => !up,
    );
    const { error, milliseconds } = await failure(() => connection.probe());
    expect(error).toBeInstanceOf(RedisAway);
    expect(error).toMatchObject({ code: ErrorCode.SERVICE_UNAVAILABLE });
    expect(milliseconds).toBeLessThan(50);
    await elapse(1_500, 'three attempts to connect again, which must not be logged');
    expect(log).toEqual(['Redis is away (commands)']);
    await redis.restart();
    await comesBack();
    await connection.probe();
    expect(log).toEqual(['Redis is away (commands)', 'Redis is back (commands)']);
  });

  it('answers within its deadline when the server hangs, then at once, and recovers by itself', async () => {
    redis.freeze();
    try {
      const first = await failure(() => connection.probe());
      expect(first.error).toBeInstanceOf(RedisAway);
      expect(first.milliseconds).toBeLessThan(700);
      await elapse(2_000, 'an attempt to connect, which a frozen server accepts and never answers');
      const later = await failure(() => connection.probe());
      expect(later.error).toBeInstanceOf(RedisAway);
      expect(later.milliseconds).toBeLessThan(50);
    } finally {
      redis.thaw();
    }
    await comesBack();
    expect(log).toHaveLength(2);
  });

  it('is opened again when it is cut during a command', async () => {
    const proxy = await TcpProxy.to('127.0.0.1', Number(redis.port));
    connection.close();
    connection = open(`redis://127.0.0.1:${proxy.port}`);
    await connection.start();
    proxy.freeze({ all: false });
    const cut = failure(() => connection.probe());
    proxy.cut();
    expect((await cut).error).toBeInstanceOf(RedisAway);
    await comesBack();
    await connection.probe();
    connection.close();
    await proxy.close();
  });

  it('is opened by a process that started while Redis was unavailable', async () => {
    await redis.kill();
    const early = open();
    try {
      await early.start();
      expect(early.isUp()).toBe(false);
      await redis.restart();
      await eventually(async () => early.isUp(), Boolean);
    } finally {
      early.close();
    }
  });

  it('is unavailable with a wrong password, which the log does not show', async () => {
    // The user does not exist. The default user needs no password here, so any password would work.
    const wrong = open(`redis://nobody:marked@127.0.0.1:${redis.port}`);
    try {
      await wrong.start();
      expect(wrong.isUp()).toBe(false);
    } finally {
      wrong.close();
    }
    expect(reasons.join()).toContain('WRONGPASS');
    expect([...log, ...reasons].join()).not.toContain('marked');
  });

  it('does not log the arguments of an unknown command, since one of them is the password', async () => {
    const old = await TestRedis.start(['--rename-command', 'HELLO', 'HIDDEN']);
    try {
      const early = open(`redis://:marked@127.0.0.1:${old.port}`);
      await early.start();
      early.close();
      expect(early.isUp()).toBe(false);
      expect(reasons.join()).toContain('Redis does not know HELLO');
      expect([...log, ...reasons].join()).not.toContain('marked');
    } finally {
      await old.close();
    }
  });

  it('leaves a server that became a read-only replica, until it is a primary again', async () => {
    await connection.run((client) => client.eval(WRITE, { keys: ['a'] }));
    await redis.command('REPLICAOF', '127.0.0.1', await freePort());
    try {
      const refused = await failure(() => connection.run((client) => client.eval(WRITE, { keys: ['a'] })));
      expect(refused.error).toBeInstanceOf(RedisAway);
      await elapse(600, 'an attempt to connect again, which must not count a replica');
      expect(connection.isUp()).toBe(false);
      expect(log).toEqual(['Redis is away (commands)']);
    } finally {
      await redis.command('REPLICAOF', 'NO', 'ONE');
    }
    await comesBack();
    expect(log).toHaveLength(2);
  });

  it('returns the latest deadline for a script, by the clock of Redis', async () => {
    const [seconds, micros] = (await redis.command('TIME')) as [string, string];
    const now = Number(seconds) * 1000 + Number(micros) / 1000;
    const latest = await connection.run(async (_client, time) => time);
    expect(Math.abs(latest - now - 500)).toBeLessThan(100);
  });

  it('asks for the time again when Redis says that a script is too late', async () => {
    const late = `return redis.error_reply('-TOOLATE')`;
    const refused = await failure(() => connection.run((client) => client.eval(late)));
    expect(refused.error).toBeInstanceOf(RedisAway);
    expect(connection.isUp()).toBe(false);
    await comesBack();
  });

  it('accepts an answer that arrived while the process was too busy to read it', async () => {
    const answered = connection.probe();
    // The command is sent, and then the event loop is blocked for longer than the deadline.
    await new Promise((resolve) => setImmediate(resolve));
    const busyUntil = performance.now() + 700;
    while (performance.now() < busyUntil);
    await answered;
    expect(log).toEqual([]);
  });

  it('is unavailable while Redis is full and may evict nothing, although it answers', async () => {
    await connection.probe();
    await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1');
    try {
      await expect(connection.probe()).rejects.toBeInstanceOf(RedisAway);
      expect(connection.isUp()).toBe(true);
    } finally {
      await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    }
    await connection.probe();
  });

  it('closes at once, whatever the server does, and stays closed', async () => {
    redis.freeze();
    try {
      const waiting = failure(() => connection.probe());
      connection.close();
      expect((await waiting).error).toBeInstanceOf(RedisAway);
      expect((await waiting).milliseconds).toBeLessThan(100);
    } finally {
      redis.thaw();
    }
    expect(connection.isUp()).toBe(false);
    const nowhere = open(`redis://127.0.0.1:${await freePort()}`);
    const starting = nowhere.start();
    nowhere.close();
    await starting;
    expect(nowhere.isUp()).toBe(false);
    const [clients] = [String(await redis.command('CLIENT', 'LIST'))];
    expect(clients).not.toContain('gatehouse-commands');
  });
});
