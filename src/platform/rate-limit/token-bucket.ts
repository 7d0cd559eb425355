import type { BucketRule } from './rules.ts';

/** The port: one adapter counts in this process, the other one in Redis for several processes. */
export interface TokenBuckets {
  /**
   * Takes one token from the bucket of `key` under `rule`.
   * @returns 0 when a token was there, otherwise the whole seconds until the next one.
   */
  take(key: string, rule: BucketRule): Promise<number>;

  /** Puts one token back that was taken; a full bucket stays as it is. */
  giveBack(key: string, rule: BucketRule): Promise<void>;
}
