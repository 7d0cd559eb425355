import { ServiceUnavailable } from '../errors.ts';

/** Redis did not do what it was asked to, for whatever reason; what depends on it has something else to do then. */
export class RedisAway extends ServiceUnavailable {
  constructor(cause?: unknown) {
    super({ detail: 'Redis is away', cause });
  }
}
