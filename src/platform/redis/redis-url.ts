import type { Parser } from '../settings.ts';
import { redisAddress } from './redis-address.ts';

/** Parses REDIS_URL. */
export const redisUrl: Parser<string> = (value) => {
  redisAddress(value);
  return value;
};
