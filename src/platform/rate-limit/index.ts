export { DividedTokenBuckets } from './divided-token-buckets.ts';
export { InProcessTokenBuckets } from './in-process-token-buckets.ts';
export { type Charge, RateLimiter, type RuleTable } from './rate-limiter.ts';
export { RedisTokenBuckets } from './redis-token-buckets.ts';
export type { DocumentedRule } from './rules.ts';
export { type BucketRule, SCARCE } from './rules.ts';
export type { Bucket, TokenBuckets } from './token-bucket.ts';
