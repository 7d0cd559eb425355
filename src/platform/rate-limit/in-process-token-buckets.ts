import type { Clock } from '../clock.ts';
import type { BucketRule } from './rules.ts';
import type { TokenBuckets } from './token-bucket.ts';

/** Bound of memory: about 20 MB. */
const MAX_BUCKETS = 100_000;
/** Of so many that were touched longest ago, the one that is the first to be full is forgotten. */
const CANDIDATES = 16;

interface Bucket {
  tokens: number;
  /** Milliseconds since the epoch. */
  filledAt: number;
  /** When it will hold what a new one holds. */
  fullAt: number;
}

/** Counts in this process alone: with several processes each one has its own allowance. */
export class InProcessTokenBuckets implements TokenBuckets {
  /** In the order of last use, the oldest first. */
  private readonly buckets = new Map<string, Bucket>();

  constructor(
    private readonly clock: Clock,
    private readonly maxBuckets = MAX_BUCKETS,
  ) {}

  async take(key: string, rule: BucketRule): Promise<number> {
    const tokens = this.tokens(key, rule);
    const taken = tokens >= 1;
    this.keep(key, taken ? tokens - 1 : tokens, rule);
    return taken ? 0 : Math.ceil((1 - tokens) / perMillisecond(rule) / 1000);
  }

  async giveBack(key: string, rule: BucketRule): Promise<void> {
    this.keep(key, Math.min(rule.burst, this.tokens(key, rule) + 1), rule);
  }

  private tokens(key: string, rule: BucketRule): number {
    const bucket = this.buckets.get(key);
    if (!bucket) return rule.burst;
    const elapsed = Math.max(0, this.clock.now() - bucket.filledAt);
    return Math.min(rule.burst, bucket.tokens + elapsed * perMillisecond(rule));
  }

  private keep(key: string, tokens: number, rule: BucketRule): void {
    const filledAt = this.clock.now();
    const fullAt = filledAt + (rule.burst - tokens) / perMillisecond(rule);
    this.buckets.delete(key);
    this.buckets.set(key, { tokens, filledAt, fullAt });
    if (this.buckets.size > this.maxBuckets) this.forgetOne();
  }

  /** Not just the oldest: whoever makes many new buckets would have an empty one forgotten, and start again. */
  private forgetOne(): void {
    const candidates: [string, Bucket][] = [];
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
