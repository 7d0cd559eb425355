import { ServiceUnavailable } from '../errors.ts';

/** Redis did not do the requested work. Each user of Redis has a fallback for this. */
export class RedisAway extends ServiceUnavailable {
  constructor(cause?: unknown) {
    super({ detail: 'Redis is away', cause });
  }
}
