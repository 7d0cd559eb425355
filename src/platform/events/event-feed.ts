import type { EntityManager } from '@mikro-orm/postgresql';

/** Name of the channel, in PostgreSQL and in Redis. */
export const CHANNEL = 'gatehouse';

/** Subjects of wake-ups. */
export type Topic = 'endings' | 'mail' | 'sign-ins';

/**
 * The port that wakes the readers of a durable fact in every process. A wake-up carries no facts: a lost one costs
 * time, never correctness, since every reader also polls.
 */
export interface EventFeed {
  /** Wakes the readers once the transaction of `em` has committed. A rollback wakes none. */
  announce(em: EntityManager, topic: Topic): Promise<void>;
  /**
   * Runs `listener` at each wake-up, and whenever the connection was made again after a loss: wake-ups may have been
   * missed.
   */
  subscribe(topic: Topic, listener: () => void): void;
  /** Starts to listen. Also resolves when the connection must be retried. */
  start(): Promise<void>;
  close(): Promise<void>;
}
