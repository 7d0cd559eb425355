import type { EntityManager } from '@mikro-orm/postgresql';

/** What readers can be woken for. */
export type Topic = 'endings' | 'mail' | 'sign-ins';

/**
 * The port that wakes the readers of a durable fact in every process. It carries no facts itself: a wake-up that is
 * lost costs time, never correctness, since every reader also looks by itself.
 */
export interface EventFeed {
  /** Called in the transaction of `em`: wakes the readers once it has committed, never when it is rolled back. */
  announce(em: EntityManager, topic: Topic): Promise<void>;
  /** `listener` also runs whenever the connection was lost and made again: something may have been missed. */
  subscribe(topic: Topic, listener: () => void): void;
  /** Listens from now on; resolves also when that has to be tried again. */
  start(): Promise<void>;
  close(): Promise<void>;
}
