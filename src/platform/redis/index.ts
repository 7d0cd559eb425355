export { redisAddress } from './redis-address.ts';
export { RedisAway } from './redis-away.ts';
export { RedisConnection } from './redis-connection.ts';
export { RedisScript } from './redis-script.ts';
export { redisUrl } from './redis-url.ts';
