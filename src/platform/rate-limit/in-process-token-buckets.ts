import type { Clock } from '../clock.ts';
import type { BucketRule } from './rules.ts';
import type { Bucket, TokenBuckets } from './token-bucket.ts';

/** Limit of the buckets in memory: about 20 MB. */
const MAX_BUCKETS = 100_000;
/** Size of the group of least recently used buckets from which one is evicted: the one that is full first. */
const CANDIDATES = 16;

interface Filling {
  tokens: number;
  /** Milliseconds since the epoch. */
  filledAt: number;
  /** Time at which the bucket is full, like a new one. */
  fullAt: number;
}

/** Counts in this process only: with several processes, each has its own allowance. */
export class InProcessTokenBuckets implements TokenBuckets {
  /** In the order of last use, the oldest first. */
  private readonly buckets = new Map<string, Filling>();

  constructor(
    private readonly clock: Clock,
    private readonly maxBuckets = MAX_BUCKETS,
  ) {}

  async take(buckets: readonly Bucket[]): Promise<readonly number[]> {
    const found = buckets.map((bucket) => ({ ...bucket, tokens: this.tokens(bucket) }));
    const taken = found.every(({ tokens }) => tokens >= 1);
    for (const { tokens, ...bucket } of found) {
      if (taken) this.keep(bucket, tokens - 1);
      // A refusal makes no bucket, since an absent bucket is full.
      else if (this.buckets.has(bucket.key)) this.keep(bucket, tokens);
    }
    return found.map(({ tokens, rule }) =>
      tokens >= 1 ? 0 : Math.ceil((1 - tokens) / perMillisecond(rule) / 1000),
    );
  }

  async giveBack(bucket: Bucket): Promise<void> {
    this.keep(bucket, Math.min(bucket.rule.burst, this.tokens(bucket) + 1));
  }

  private tokens({ key, rule }: Bucket): number {
    const bucket = this.buckets.get(key);
    if (!bucket) return rule.burst;
    const elapsed = Math.max(0, this.clock.now() - bucket.filledAt);
    return Math.min(rule.burst, bucket.tokens + elapsed * perMillisecond(rule));
  }

  private keep({ key, rule }: Bucket, tokens: number): void {
    const filledAt = this.clock.now();
    const fullAt = filledAt + (rule.burst - tokens) / perMillisecond(rule);
    this.buckets.delete(key);
    this.buckets.set(key, { tokens, filledAt, fullAt });
    if (this.buckets.size > this.maxBuckets) this.forgetOne();
  }

  /**
   * Evicts a bucket, but not simply the oldest: otherwise an attacker could make many new buckets to have an empty one
   * evicted, and start again.
   */
  private forgetOne(): void {
    const candidates: [string, Filling][] = [];
    for (const candidate of this.buckets) {
      if (candidates.push(candidate) === CANDIDATES) break;
    }
    const [first] = candidates.toSorted(([, one], [, other]) => one.fullAt - other.fullAt);
    for (const [key, bucket] of candidates) {
      this.buckets.delete(key);
      if (key !== first?.[0]) this.buckets.set(key, bucket);
    }
  }
}

const perMillisecond = ({ burst, perSeconds }: BucketRule): number => burst / (perSeconds * 1000);
