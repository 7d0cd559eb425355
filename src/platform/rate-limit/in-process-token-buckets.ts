import type { Clock } from '../clock.ts';
import type { BucketRule } from './rules.ts';
import type { TokenBuckets } from './token-bucket.ts';

/** Bound of memory: about 20 MB. Beyond it the bucket that was touched longest ago is forgotten. */
const MAX_BUCKETS = 100_000;

interface Bucket {
  tokens: number;
  /** Milliseconds since the epoch. */
  filledAt: number;
}

/** Counts in this process alone: with several processes each one has its own allowance. */
export class InProcessTokenBuckets implements TokenBuckets {
  /** In the order of last use, the oldest first. */
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly clock: Clock) {}

  async take(key: string, rule: BucketRule): Promise<number> {
    const now = this.clock.now();
    const perMillisecond = rule.burst / (rule.perSeconds * 1000);
    const bucket = this.buckets.get(key) ?? { tokens: rule.burst, filledAt: now };
    const elapsed = Math.max(0, now - bucket.filledAt);
    const tokens = Math.min(rule.burst, bucket.tokens + elapsed * perMillisecond);
    const taken = tokens >= 1;

    this.buckets.delete(key);
    this.buckets.set(key, { tokens: taken ? tokens - 1 : tokens, filledAt: now });
    this.forgetOldest();
    return taken ? 0 : Math.ceil((1 - tokens) / perMillisecond / 1000);
  }

  private forgetOldest(): void {
    if (this.buckets.size <= MAX_BUCKETS) return;
    for (const oldest of this.buckets.keys()) {
      this.buckets.delete(oldest);
      return;
    }
  }
}
