import type { EntityManager, EventSubscriber, TransactionEventArgs } from '@mikro-orm/postgresql';
import type { RedisConnection } from '../redis/index.ts';
import type { EventFeed, Topic } from './event-feed.ts';

const CHANNEL = 'gatehouse';

/**
 * PUBLISH and SUBSCRIBE. Redis knows nothing of a transaction in PostgreSQL, so what is announced in one is kept with
 * it until it has committed; one that is rolled back is forgotten with its EntityManager.
 */
export class RedisEventFeed implements EventFeed {
  private readonly listeners = new Map<Topic, Array<() => void>>();
  private readonly pending = new WeakMap<object, Set<Topic>>();
  private readonly watched = new WeakSet<object>();
  private readonly publisher: EventSubscriber = {
    afterTransactionCommit: async ({ em }: TransactionEventArgs) => this.publish(em),
  };

  /** @param listening a connection of the feed's own, which it starts and closes */
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
    this.watch(em);
    this.pending.set(em, (this.pending.get(em) ?? new Set()).add(topic));
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

  /** All forks of one EntityManager share what dispatches its events. */
  private watch(em: EntityManager): void {
    const events = em.getEventManager();
    if (this.watched.has(events)) return;
    this.watched.add(events);
    events.registerSubscriber(this.publisher);
  }

  private publish(committed: object): void {
    const topics = this.pending.get(committed) ?? [];
    this.pending.delete(committed);
    // Not awaited: the change stands, and a reader that is not woken looks by itself.
    for (const topic of topics) this.commands.run((client) => client.publish(CHANNEL, topic)).catch(() => {});
  }

  private wake(topic: Topic): void {
    for (const listener of this.listeners.get(topic) ?? []) listener();
  }
}
