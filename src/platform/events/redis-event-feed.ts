import type { EntityManager } from '@mikro-orm/postgresql';
import { afterTransaction } from '../database/index.ts';
import type { RedisConnection } from '../redis/index.ts';
import { CHANNEL, type EventFeed, type Topic } from './event-feed.ts';

/**
 * Wakes by PUBLISH and SUBSCRIBE. Redis knows nothing of a transaction in PostgreSQL, so announcements wait until the
 * transaction commits. A rollback drops them with the EntityManager.
 */
export class RedisEventFeed implements EventFeed {
  private readonly listeners = new Map<Topic, Array<() => void>>();
  private readonly announced = new WeakMap<EntityManager, Set<Topic>>();

  /** @param listening a connection that only the feed uses, starts and closes */
  constructor(
    private readonly commands: RedisConnection,
    private readonly listening: RedisConnection,
  ) {
    listening.subscribe(CHANNEL, (topic) => this.wake(topic as Topic));
    listening.onUp(() => {
      for (const topic of this.listeners.keys()) this.wake(topic);
    });
  }

  async announce(em: EntityManager, topic: Topic): Promise<void> {
    const announced = this.announced.get(em) ?? new Set();
    if (announced.has(topic)) return;
    this.announced.set(em, announced.add(topic));
    afterTransaction(em, (outcome) => {
      announced.delete(topic);
      if (outcome === 'committed') this.publish(topic);
    });
  }

  subscribe(topic: Topic, listener: () => void): void {
    this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), listener]);
  }

  start(): Promise<void> {
    return this.listening.start();
  }

  async close(): Promise<void> {
    this.listening.close();
  }

  /** Not awaited: the change is committed, and a reader that is not woken polls by itself. */
  private publish(topic: Topic): void {
    this.commands.run((client) => client.publish(CHANNEL, topic)).catch(() => {});
  }

  private wake(topic: Topic): void {
    for (const listener of this.listeners.get(topic) ?? []) listener();
  }
}
