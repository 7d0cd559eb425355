import { TOLERATED } from '../database-clock.ts';
import { type Check, fail, ok, type Result, warn } from '../doctor/check.ts';
import { CHANNEL } from '../events/event-feed.ts';
import { newId } from '../id.ts';
import type { ConfigOf } from '../setting-declaration.ts';
import { RedisConnection } from './redis-connection.ts';
import type { REDIS_SETTINGS } from './settings.ts';

type Config = ConfigOf<typeof REDIS_SETTINGS>;
type RedisCheck = Check<Config>;

/** Name of the check that the others need. */
export const REDIS_CONNECTION = 'redis.connection';

/** Runs work on a connection of its own. @throws with the reason when Redis is away. */
export async function onRedis<T>(url: string, work: (redis: RedisConnection) => Promise<T>): Promise<T> {
  let reason: unknown;
  const redis = new RedisConnection({
    url,
    purpose: 'commands',
    log: (_, error) => {
      reason ??= error;
    },
  });
  try {
    await redis.start();
    if (!redis.isUp()) throw reason;
    return await work(redis);
  } finally {
    redis.close();
  }
}

/** The reason without the address, and without what a server repeats of a command. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, message = '' } = cause as { code?: unknown; message?: string };
  if (typeof code === 'string') return code;
  return message.split('\n')[0]?.replace(/\.$/, '') || 'it does not answer';
}

const connection: RedisCheck = {
  name: REDIS_CONNECTION,
  async run({ config: { redis } }) {
    if (redis.url === undefined) return null;
    try {
      await onRedis(redis.url, (opened) => opened.probe());
    } catch (error) {
      return fail(
        `REDIS_URL: Redis cannot be used: ${reasonOf(error)}.`,
        'Start Redis, and see that REDIS_URL names its primary, with the right user and password, and that it has memory left.',
      );
    }
    return ok('Redis answers and accepts writes.');
  },
};

const clock: RedisCheck = {
  name: 'redis.clock',
  after: REDIS_CONNECTION,
  run: ({ config: { redis }, machine }) =>
    onRedis(redis.url ?? '', async (opened) => {
      const asked = machine();
      const time = await opened.time();
      const seconds = Math.round(((asked + machine()) / 2 - time) / 100) / 10;
      return Math.abs(seconds) * 1_000 > TOLERATED
        ? warn(
            `The clock of this machine is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} that of Redis.`,
            'Set the clocks of both machines by NTP.',
          )
        : ok('The clocks of this machine and of Redis agree.');
    }),
};

/** Milliseconds for a message to arrive. */
const MESSAGE_PATIENCE = 2_000;

const events: RedisCheck = {
  name: 'redis.events',
  after: REDIS_CONNECTION,
  run: ({ config: { redis } }) =>
    onRedis(redis.url ?? '', async (opened) => {
      // Gateways listen on this channel too, and ignore this topic.
      const topic = `doctor ${newId()}`;
      const { promise: heard, resolve } = Promise.withResolvers<boolean>();
      const listening = new RedisConnection({ url: redis.url ?? '', purpose: 'events', log: () => {} });
      listening.subscribe(CHANNEL, (message) => {
        if (message === topic) resolve(true);
      });
      const timer = setTimeout(() => resolve(false), MESSAGE_PATIENCE);
      try {
        await listening.start();
        await opened.run((client) => client.publish(CHANNEL, topic)).catch(() => resolve(false));
        if (await heard) return ok('A message to one connection to Redis arrives from another.');
      } finally {
        clearTimeout(timer);
        listening.close();
      }
      return warn(
        'A message through Redis does not arrive, so each process polls for revocations.',
        `Let the user in REDIS_URL publish and subscribe to the channel ${CHANNEL} (ACL SETUSER ... &${CHANNEL}).`,
      );
    }),
};

export const REDIS_CHECKS = [connection, clock, events] as const;

/** What Redis does with its data when its memory is full, and when it is restarted; undefined where it does not say. */
export interface RedisKeeping {
  readonly eviction: string | undefined;
  readonly appendOnly: string | undefined;
  readonly fsync: string | undefined;
  /** Whether it refuses CONFIG, as managed Redis often does. */
  readonly isConfigRefused: boolean;
}

/** Reads CONFIG, and INFO where CONFIG is refused. One result for each server. */
export async function keepingOf(redis: RedisConnection): Promise<RedisKeeping[]> {
  try {
    const [evictions, appendOnlys, fsyncs] = await Promise.all(
      ['maxmemory-policy', 'appendonly', 'appendfsync'].map(async (name) =>
        (await redis.ask('CONFIG', 'GET', name)).map((reply) => valueIn(reply, name)),
      ),
    );
    return (evictions ?? []).map((eviction, server) => ({
      eviction,
      appendOnly: appendOnlys?.[server],
      fsync: fsyncs?.[server],
      isConfigRefused: false,
    }));
  } catch {
    const infos = await redis.ask('INFO').catch(() => [undefined]);
    return infos.map((info) => {
      const enabled = /^aof_enabled:(\d)/m.exec(String(info))?.[1];
      return {
        eviction: /^maxmemory_policy:(\S+)/m.exec(String(info))?.[1],
        appendOnly: enabled === undefined ? undefined : enabled === '1' ? 'yes' : 'no',
        fsync: undefined,
        isConfigRefused: true,
      };
    });
  }
}

/** The reply to CONFIG GET: a list of names and values in RESP 2, a map in RESP 3. */
function valueIn(reply: unknown, name: string): string | undefined {
  if (Array.isArray(reply)) return reply.length > 1 ? String(reply[1]) : undefined;
  const value = reply instanceof Map ? reply.get(name) : (reply as Record<string, unknown> | null)?.[name];
  return value === undefined ? undefined : String(value);
}

/** Judges a Redis that holds sessions. */
export function judgeKeeping({ eviction, appendOnly, fsync, isConfigRefused }: RedisKeeping): Result[] {
  const results: Result[] = [];
  if (eviction !== undefined && eviction !== 'noeviction')
    results.push(
      fail(
        `Redis holds the sessions and evicts keys when its memory is full (maxmemory-policy ${eviction}), so users are signed out.`,
        'Set maxmemory-policy noeviction.',
      ),
    );
  if (appendOnly === 'no')
    results.push(
      fail(
        'Redis holds the sessions and keeps no append-only file, so a restart signs all users out.',
        'Set appendonly yes and appendfsync always.',
      ),
    );
  else if (fsync !== undefined && fsync !== 'always')
    results.push(
      warn(
        `Redis holds the sessions and loses the last ones in a crash (appendfsync ${fsync}).`,
        'Set appendfsync always.',
      ),
    );
  if (isConfigRefused)
    results.push(
      warn(
        'Redis refuses CONFIG, as managed servers often do, so not everything about its persistence can be read.',
        'See in its console that it never evicts (noeviction), and writes an append-only file with fsync always.',
      ),
    );
  return results;
}
