import { accepting } from '../setting-parsers.ts';
import { redisAddress } from './redis-address.ts';

/** Parses REDIS_URL. */
export const redisUrl = accepting(
  '`redis://…`, `redis+sentinel://…` or `redis+cluster://…`; with TLS `rediss…`',
  (value) => {
    redisAddress(value);
    return value;
  },
);
