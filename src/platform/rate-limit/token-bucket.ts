import type { BucketRule } from './rules.ts';

export interface Bucket {
  readonly key: string;
  /** Group of the buckets that are charged together, derived from the names of the buckets. */
  readonly group: string;
  readonly rule: BucketRule;
}

/** The port to the token buckets. One adapter counts in this process, the other one in Redis for several processes. */
export interface TokenBuckets {
  /**
   * Takes one token from each bucket in one atomic step, or none when one of them is empty. Otherwise a client that is
   * refused for its own /64 would drain the /48 that it shares with others.
   * @param buckets of one group: their keys share a hash slot in Redis.
   * @returns for each bucket 0, or the whole seconds until its next token; all are 0 when the tokens were taken.
   */
  take(buckets: readonly Bucket[]): Promise<readonly number[]>;

  /** Returns one token that was taken. A full bucket stays unchanged. */
  giveBack(bucket: Bucket): Promise<void>;
}
