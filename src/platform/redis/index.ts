export { type RedisAddress, redisAddress } from './redis-address.ts';
export { RedisAway } from './redis-away.ts';
export { RedisConnection, type RedisConnectionOptions } from './redis-connection.ts';
export type { RedisClient } from './redis-link.ts';
export { RedisScript } from './redis-script.ts';
export { redisUrl } from './redis-url.ts';
