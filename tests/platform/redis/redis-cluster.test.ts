/** @timing: expects a refusal within 50 ms while Redis is away */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { RedisAway, RedisConnection } from '../../../src/platform/redis/index.ts';
import { elapse, eventually } from '../../support/race.ts';
import { hasRedis, TestCluster, type TestRedis } from '../../support/redis.ts';

const WRITE = `return redis.call('INCR', KEYS[1])`;

(hasRedis ? describe : describe.skip)('a connection to a cluster of Redis', () => {
  let cluster: TestCluster;
  let connection: RedisConnection;
  let log: string[];

  beforeAll(async () => {
    cluster = await TestCluster.start();
  });
  afterAll(() => cluster.close());
  beforeEach(async () => {
    log = [];
    connection = new RedisConnection({
      url: cluster.url,
      purpose: 'commands',
      log: (message) => log.push(message),
    });
    await connection.start();
  });
  afterEach(() => connection.close());

  const write = (key: string) => connection.run((client) => client.eval(WRITE, { keys: [key] }));
  const slotOf = async (key: string) => Number(await cluster.nodes[0]?.command('CLUSTER', 'KEYSLOT', key));
  const keyIn = async (wanted: (slot: number) => boolean) => {
    for (let number = 0; ; number += 1) if (wanted(await slotOf(`key${number}`))) return `key${number}`;
  };
  const [first, second, third] = [0, 1, 2].map((index) => () => cluster.nodes[index] as TestRedis) as [
    () => TestRedis,
    () => TestRedis,
    () => TestRedis,
  ];
  const id = async (node: TestRedis) => String(await node.command('CLUSTER', 'MYID'));
  const failure = async (work: () => Promise<unknown>) => {
    const before = performance.now();
    const error = await work().catch((reason: unknown) => reason);
    return { error, milliseconds: performance.now() - before };
  };

  it('writes each key to the server that owns its slot', async () => {
    for (let number = 0; number < 30; number += 1) await write(`spread${number}`);
    const sizes = await cluster.command('DBSIZE');
    expect(sizes.every((size) => Number(size) > 0)).toBe(true);
    expect(sizes.reduce((sum: number, size) => sum + Number(size), 0)).toBe(30);
    expect(log).toEqual([]);
  });

  it('returns the latest deadline for a script, by the clocks of its servers', async () => {
    const latest = await connection.run(async (_client, time) => time);
    expect(Math.abs(latest - Date.now() - 500)).toBeLessThan(100);
  });

  it('follows a slot that moved, without an interruption', async () => {
    const key = await keyIn((slot) => slot < 5000);
    const slot = String(await slotOf(key));
    const move = (node: TestRedis, ...how: string[]) => node.command('CLUSTER', 'SETSLOT', slot, ...how);
    await move(second(), 'IMPORTING', await id(first()));
    await move(first(), 'MIGRATING', await id(second()));
    // While a slot moves, a missing key is looked up at its new server (ASK).
    await write(key);
    expect(await first().command('EXISTS', key).catch(String)).toContain('ASK');
    for (const node of [second(), first()]) await move(node, 'NODE', await id(second()));
    await write(key);
    expect(await second().command('GET', key)).toBe('2');
    expect(log).toEqual([]);
  });

  it('is unavailable as a whole when one of its servers is killed, and recovers with it', async () => {
    await third().kill();
    await eventually(
      async () => connection.isUp(),
      (up) => !up,
    );
    const { error, milliseconds } = await failure(() => write('any'));
    expect(error).toBeInstanceOf(RedisAway);
    expect(milliseconds).toBeLessThan(50);
    await elapse(1_500, 'three attempts to connect again, which must not be logged');
    expect(log).toEqual(['Redis is away (commands)']);
    await third().restart();
    await cluster.isWhole();
    await eventually(async () => connection.isUp(), Boolean);
    await write(await keyIn((slot) => slot > 11_000));
    expect(log).toEqual(['Redis is away (commands)', 'Redis is back (commands)']);
  });

  it('answers within its deadline when one of its servers hangs, then at once', async () => {
    const key = await keyIn((slot) => slot > 11_000);
    third().freeze();
    try {
      const waited = await failure(() => write(key));
      expect(waited.error).toBeInstanceOf(RedisAway);
      expect(waited.milliseconds).toBeLessThan(700);
      expect((await failure(() => write(key))).milliseconds).toBeLessThan(50);
      await elapse(2_500, 'an attempt to connect, which a frozen server accepts and never answers');
      expect(connection.isUp()).toBe(false);
    } finally {
      third().thaw();
    }
    await eventually(async () => connection.isUp(), Boolean);
    expect(log).toHaveLength(2);
  });

  it('leaves nothing open after it was closed, even while it was connecting', async () => {
    connection.close();
    for (let delay = 0; delay < 30; delay += 1) {
      const closing = new RedisConnection({ url: cluster.url, purpose: 'commands', log: () => {} });
      const starting = closing.start();
      await elapse(delay, 'each moment of a connection is met');
      closing.close();
      await starting;
    }
    await eventually(
      async () => (await cluster.command('CLIENT', 'LIST')).join(),
      (clients) => !clients.includes('gatehouse-commands'),
      { withinMilliseconds: 2_000 },
    );
  });
});
