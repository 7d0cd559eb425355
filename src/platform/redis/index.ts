export { RedisAway } from './redis-away.ts';
export { type RedisClient, RedisConnection, type RedisConnectionOptions } from './redis-connection.ts';
export { redisUrl } from './redis-url.ts';
