/** @timing: expects a refusal within 50 ms while Redis is away */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RedisAway, RedisConnection } from '../../../src/platform/redis/index.ts';
import { eventually } from '../../support/race.ts';
import { hasRedis, type TestRedis, TestSentinel } from '../../support/redis.ts';

const WRITE = `return redis.call('INCR', KEYS[1])`;

(hasRedis ? describe : describe.skip)('a connection to Redis by Sentinel', () => {
  let servers: TestSentinel;
  let connections: RedisConnection[];
  let log: string[];

  beforeAll(async () => {
    servers = await TestSentinel.start();
  });
  afterAll(() => servers.close());
  beforeEach(() => {
    log = [];
    connections = [];
  });
  afterEach(() => {
    for (const connection of connections) connection.close();
  });

  const open = async (url = servers.url, purpose: 'commands' | 'events' = 'commands') => {
    const connection = new RedisConnection({
      url,
      purpose,
      log: (message, error) => log.push(`${message}${error === undefined ? '' : `: ${String(error)}`}`),
    });
    connections.push(connection);
    await connection.start();
    return connection;
  };
  const write = (connection: RedisConnection) =>
    connection.run((client) => client.eval(WRITE, { keys: ['written'] }));
  const written = async (at: TestRedis) => Number(await at.command('GET', 'written'));
  it('writes to the primary, even when another Sentinel is unavailable', async () => {
    await write(await open());
    expect(await written(servers.primary)).toBe(1);
    expect(log).toEqual([]);
  });

  it('follows a planned failover by itself', async () => {
    const others = await TestSentinel.start();
    try {
      const connection = await open(others.url);
      await others.sentinel.command('SENTINEL', 'FAILOVER', 'main');
      await eventually(
        async () => log,
        (lines) => lines.length === 2,
        // It checks every 5 s. The reason in the log below shows that it did.
        { withinMilliseconds: 15_000 },
      );
      await write(connection);
      expect(await written(others.replica)).toBe(1);
      expect(log).toEqual([
        'Redis is away (commands): Error: the Sentinels name another primary now',
        'Redis is back (commands)',
      ]);
    } finally {
      await others.close();
    }
  });

  it('follows the new primary when the old one is killed, and refuses at once in the meantime', async () => {
    const connection = await open();
    const heard: string[] = [];
    const listening = new RedisConnection({ url: servers.url, purpose: 'events', log: () => {} });
    connections.push(listening);
    listening.subscribe('news', (message) => heard.push(message));
    await listening.start();

    await servers.primary.kill();
    await eventually(
      async () => connection.isUp(),
      (up) => !up,
    );
    const before = performance.now();
    await expect(write(connection)).rejects.toBeInstanceOf(RedisAway);
    expect(performance.now() - before).toBeLessThan(50);

    await eventually(async () => connection.isUp() && listening.isUp(), Boolean, {
      withinMilliseconds: 10_000,
    });
    await write(connection);
    expect(await written(servers.replica)).toBeGreaterThan(0);
    await connection.run((client) => client.publish('news', 'hello'));
    await eventually(
      async () => heard,
      (messages) => messages.includes('hello'),
    );
  });

  it('stays at the last known primary when no Sentinel is left', async () => {
    const others = await TestSentinel.start();
    try {
      const connection = await open(others.url);
      await write(connection);
      await others.sentinel.kill();
      await others.primary.command('CLIENT', 'KILL', 'TYPE', 'normal');
      await eventually(
        async () => log,
        (lines) => lines.at(-1) === 'Redis is back (commands)',
        { withinMilliseconds: 10_000 },
      );
      await write(connection);
      expect(await written(others.primary)).toBe(2);
    } finally {
      await others.close();
    }
  });

  it('is down, with the reason in the log, for the URL of a Sentinel or a wrong name', async () => {
    const sentinel = await open(servers.sentinel.url);
    const misnamed = await open(servers.url.replace('/main', '/other'));
    expect([sentinel.isUp(), misnamed.isUp()]).toEqual([false, false]);
    expect(log).toEqual([
      expect.stringContaining('this is a Sentinel'),
      expect.stringContaining('a Sentinel knows no primary of that name'),
    ]);
  });

  it('sends its password to the server, and to a Sentinel that asks for one', async () => {
    const url = servers.url.replace('//', '//gateway:marked%2F@');
    await servers.replica.command('ACL', 'SETUSER', 'gateway', 'on', '>marked/', '~*', '&*', '+@all');
    await write(await open(url));
    await servers.sentinel.command('ACL', 'SETUSER', 'gateway', 'on', '>marked/', '&*', '+@all');
    await servers.sentinel.command('ACL', 'SETUSER', 'default', 'off');
    await write(await open(url));
    expect(log).toEqual([]);
    const wrong = await open(url.replace('marked', 'marked2'));
    expect(wrong.isUp()).toBe(false);
    expect(log.join()).not.toContain('marked');
  });
});
