export type { EventFeed, Topic } from './event-feed.ts';
export { PostgresEventFeed } from './postgres-event-feed.ts';
export { RedisEventFeed } from './redis-event-feed.ts';
