export { InProcessTokenBuckets } from './in-process-token-buckets.ts';
export { RateLimiter, type RuleTable } from './rate-limiter.ts';
export { RedisTokenBuckets } from './redis-token-buckets.ts';
export type { BucketRule } from './rules.ts';
export type { TokenBuckets } from './token-bucket.ts';
