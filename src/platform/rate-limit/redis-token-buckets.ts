import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type RedisConnection, RedisScript } from '../redis/index.ts';
import { InProcessTokenBuckets } from './in-process-token-buckets.ts';
import type { BucketRule } from './rules.ts';
import type { TokenBuckets } from './token-bucket.ts';

/**
 * KEYS[1] the bucket, ARGV[1] its burst, ARGV[2] the milliseconds in which it fills, ARGV[3] `take` or `give`. Returns the
 * milliseconds until the next token, 0 when one was taken or given back. The time is that of Redis, so the clocks of processes do not matter. The key goes
 * when the bucket is full: an absent one is.
 */
const CHANGE = new RedisScript(`
local burst = tonumber(ARGV[1])
local per_millisecond = burst / tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'filled_at')
local elapsed = math.max(0, now - (tonumber(bucket[2]) or now))
local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + elapsed * per_millisecond)
local wait = 0
if ARGV[3] == 'give' then
  tokens = math.min(burst, tokens + 1)
elseif tokens >= 1 then
  tokens = tokens - 1
else
  wait = math.ceil((1 - tokens) / per_millisecond)
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'filled_at', string.format('%d', now))
redis.call('PEXPIRE', KEYS[1], string.format('%d', math.ceil((burst - tokens) / per_millisecond) + 1))
return wait`);

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
    const inRedis = async () => Math.ceil((await this.inRedis('take', key, rule)) / 1000);
    return this.orHere(inRedis, () => this.own.take(key, tightened(rule)));
  }

  /** Where Redis came or went since it was taken, one bucket has a token more, and the other one less. */
  async giveBack(key: string, rule: BucketRule): Promise<void> {
    const inRedis = async () => void (await this.inRedis('give', key, rule));
    return this.orHere(inRedis, () => this.own.giveBack(key, tightened(rule)));
  }

  private async inRedis(change: 'take' | 'give', key: string, rule: BucketRule): Promise<number> {
    const args = [rule.burst, rule.perSeconds * 1000, change];
    return Number(await this.redis.run((client) => CHANGE.run(client, [redisKey(key)], args)));
  }

  private async orHere<T>(inRedis: () => Promise<T>, here: () => Promise<T>): Promise<T> {
    try {
      const result = await inRedis();
      this.change(false);
      return result;
    } catch (error) {
      this.change(true, error);
      return here();
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

/** Hashed: what was typed as a name or an address stays out of the dumps of Redis, and every key is short. */
const redisKey = (key: string): string =>
  `gatehouse:bucket:${createHash('sha256').update(key).digest('base64url').slice(0, 22)}`;
