import type { BucketRule } from './rules.ts';

export interface Bucket {
  readonly key: string;
  /** Buckets that are taken from together have the same group, which is part of what names them. */
  readonly group: string;
  readonly rule: BucketRule;
}

/** The port: one adapter counts in this process, the other one in Redis for several processes. */
export interface TokenBuckets {
  /**
   * Takes one token from each bucket in one atomic step, or none at all when one of them is empty. Otherwise a client
   * that is refused for its own /64 would drain the /48 that it shares with others.
   * @param buckets of one group: their keys share a hash slot in Redis.
   * @returns for each bucket 0, or the whole seconds until its next token; every one is 0 when the tokens were taken.
   */
  take(buckets: readonly Bucket[]): Promise<readonly number[]>;

  /** Puts one token back that was taken; a full bucket stays as it is. */
  giveBack(bucket: Bucket): Promise<void>;
}
