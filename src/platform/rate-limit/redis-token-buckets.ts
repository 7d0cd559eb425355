import { createHash } from 'node:crypto';
import { ErrorReply } from 'redis';
import type { Clock } from '../clock.ts';
import type { RedisClient, RedisConnection } from '../redis/index.ts';
import { InProcessTokenBuckets } from './in-process-token-buckets.ts';
import type { BucketRule } from './rules.ts';
import type { TokenBuckets } from './token-bucket.ts';

/**
 * KEYS[1] the bucket, ARGV[1] its burst, ARGV[2] the milliseconds in which it fills. Returns the milliseconds until the
 * next token, 0 when one was taken. One script is one step in Redis, so no two processes take the same token; the
 * time is that of Redis, so their clocks do not matter. The key goes when the bucket is full: an absent one is.
 */
const TAKE = `
local burst = tonumber(ARGV[1])
local per_millisecond = burst / tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'filled_at')
local elapsed = math.max(0, now - (tonumber(bucket[2]) or now))
local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + elapsed * per_millisecond)
local wait = 0
if tokens >= 1 then
  tokens = tokens - 1
else
  wait = math.ceil((1 - tokens) / per_millisecond)
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'filled_at', string.format('%d', now))
redis.call('PEXPIRE', KEYS[1], string.format('%d', math.ceil((burst - tokens) / per_millisecond) + 1))
return wait`;
const TAKE_SHA = createHash('sha1').update(TAKE).digest('hex');

/**
 * Counts in Redis, for all processes together. While Redis is away each process counts for itself, at half the
 * burst and half the rate: with two processes that is what the rule allows, and never no limit.
 */
export class RedisTokenBuckets implements TokenBuckets {
  private readonly own: InProcessTokenBuckets;
  private countsHere = false;

  constructor(
    private readonly redis: RedisConnection,
    clock: Clock,
    private readonly log: (message: string, error?: unknown) => void,
  ) {
    this.own = new InProcessTokenBuckets(clock);
  }

  async take(key: string, rule: BucketRule): Promise<number> {
    try {
      const wait = await this.redis.run((client) => takeIn(client, key, rule));
      this.change(false);
      return Math.ceil(wait / 1000);
    } catch (error) {
      this.change(true, error);
      return this.own.take(key, tightened(rule));
    }
  }

  private change(countsHere: boolean, error?: unknown): void {
    if (this.countsHere === countsHere) return;
    this.countsHere = countsHere;
    this.log(
      countsHere
        ? 'rate limits are counted in this process alone, at half of what the rules allow'
        : 'rate limits are counted in Redis again',
      error,
    );
  }
}

/** Half of what the rule allows, in burst and in rate; one token at least. */
export function tightened({ burst, perSeconds }: BucketRule): BucketRule {
  const half = Math.max(1, Math.floor(burst / 2));
  return { burst: half, perSeconds: (perSeconds * 2 * half) / burst };
}

async function takeIn(client: RedisClient, key: string, { burst, perSeconds }: BucketRule): Promise<number> {
  const options = { keys: [redisKey(key)], arguments: [String(burst), String(perSeconds * 1000)] };
  try {
    return Number(await client.evalSha(TAKE_SHA, options));
  } catch (error) {
    // A server that was restarted has forgotten the script; EVAL also teaches it again.
    if (!(error instanceof ErrorReply && error.message.startsWith('NOSCRIPT'))) throw error;
    return Number(await client.eval(TAKE, options));
  }
}

/** Hashed: what was typed as a name or an address stays out of the dumps of Redis, and every key is short. */
const redisKey = (key: string): string =>
  `gatehouse:bucket:${createHash('sha256').update(key).digest('base64url').slice(0, 22)}`;
