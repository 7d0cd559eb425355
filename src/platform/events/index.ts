export type { EventFeed } from './event-feed.ts';
export { PostgresEventFeed } from './postgres-event-feed.ts';
export { RedisEventFeed } from './redis-event-feed.ts';
