import { accepting } from '../setting-parsers.ts';
import { redisAddress } from './redis-address.ts';

/** Parses REDIS_URL. */
export const redisUrl = accepting('`redis://…`', (value) => {
  redisAddress(value);
  return value;
});
