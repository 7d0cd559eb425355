import type { BucketRule } from './rules.ts';
import type { Bucket, TokenBuckets } from './token-bucket.ts';

/** Counts with a part of each rule, for processes that cannot count together. */
export class DividedTokenBuckets implements TokenBuckets {
  /** @param by number of processes that share what a rule allows */
  constructor(
    private readonly buckets: TokenBuckets,
    private readonly by: number,
  ) {}

  take(buckets: readonly Bucket[]): Promise<readonly number[]> {
    return this.buckets.take(buckets.map((bucket) => this.part(bucket)));
  }

  giveBack(bucket: Bucket): Promise<void> {
    return this.buckets.giveBack(this.part(bucket));
  }

  private part(bucket: Bucket): Bucket {
    return this.by === 1 ? bucket : { ...bucket, rule: dividedRule(bucket.rule, this.by) };
  }
}

/** A part of the rule, in burst and in rate; at least one token. */
export function dividedRule({ burst, perSeconds }: BucketRule, by: number): BucketRule {
  const part = Math.max(1, Math.floor(burst / by));
  return { burst: part, perSeconds: (perSeconds * by * part) / burst };
}
