import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type RedisConnection, RedisScript } from '../redis/index.ts';
import { DividedTokenBuckets } from './divided-token-buckets.ts';
import { InProcessTokenBuckets } from './in-process-token-buckets.ts';
import type { Bucket, TokenBuckets } from './token-bucket.ts';

/**
 * KEYS are the buckets. ARGV[1] is `take` or `give`. Then ARGV has two values for each bucket: its burst, and the
 * milliseconds in which it fills. Returns for each bucket the milliseconds until its next token, or 0 when it had one.
 * `take` changes nothing unless all are 0. The clock is that of Redis, so the clocks of processes do not matter. The
 * key expires when the bucket is full, since an absent bucket is full.
 */
const CHANGE = new RedisScript(`
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local change = ARGV[1] == 'give' and 1 or -1
local found = {}
local waits = {}
local refused = false
for i, key in ipairs(KEYS) do
  local burst = tonumber(ARGV[2 * i])
  local per_millisecond = burst / tonumber(ARGV[2 * i + 1])
  local bucket = redis.call('HMGET', key, 'tokens', 'filled_at')
  local elapsed = math.max(0, now - (tonumber(bucket[2]) or now))
  local tokens = math.min(burst, (tonumber(bucket[1]) or burst) + elapsed * per_millisecond)
  local lacks = change < 0 and tokens < 1
  refused = refused or lacks
  found[i] = { burst, per_millisecond, tokens }
  waits[i] = lacks and math.ceil((1 - tokens) / per_millisecond) or 0
end
if refused then return waits end
for i, key in ipairs(KEYS) do
  local burst, per_millisecond, tokens = unpack(found[i])
  tokens = math.min(burst, tokens + change)
  redis.call('HSET', key, 'tokens', string.format('%.17g', tokens), 'filled_at', string.format('%d', now))
  redis.call('PEXPIRE', key, string.format('%d', math.ceil((burst - tokens) / per_millisecond) + 1))
end
return waits`);

/**
 * Counts in Redis, for all processes together. While Redis is away, each gateway counts alone, at half the burst and
 * half the rate. With two gateways that is the limit of the rule, and there is always a limit. The workers of a gateway
 * divide its half.
 */
export class RedisTokenBuckets implements TokenBuckets {
  private readonly own: TokenBuckets;
  private countsHere = false;

  /** @param workers number of processes of this gateway */
  constructor(
    private readonly redis: RedisConnection,
    clock: Clock,
    private readonly log: (message: string, error?: unknown) => void,
    workers = 1,
  ) {
    this.own = new DividedTokenBuckets(new InProcessTokenBuckets(clock), 2 * workers);
  }

  async take(buckets: readonly Bucket[]): Promise<readonly number[]> {
    const inRedis = async () => (await this.inRedis('take', buckets)).map((wait) => Math.ceil(wait / 1000));
    return this.orHere(inRedis, () => this.own.take(buckets));
  }

  /**
   * If Redis came or went since the take, the token goes back to another bucket than the one it was taken
   * from.
   */
  async giveBack(bucket: Bucket): Promise<void> {
    const inRedis = async () => void (await this.inRedis('give', [bucket]));
    return this.orHere(inRedis, () => this.own.giveBack(bucket));
  }

  private async inRedis(change: 'take' | 'give', buckets: readonly Bucket[]): Promise<number[]> {
    const rules = buckets.flatMap(({ rule }) => [rule.burst, rule.perSeconds * 1000]);
    const waits = await this.redis.run((client) =>
      CHANGE.run(client, buckets.map(redisKey), [change, ...rules]),
    );
    return (waits as unknown[]).map(Number);
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

/**
 * Hashed, so that typed names and e-mail addresses stay out of Redis dumps, and every key is short. The group is the
 * hash tag, so that one script may use all keys of a group in a cluster.
 */
const redisKey = ({ group, key }: Bucket): string => `gatehouse:bucket:{${hashed(group)}}${hashed(key)}`;

const hashed = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 22);
