import type { EntityManager, EventSubscriber, TransactionEventArgs } from '@mikro-orm/postgresql';

export type Outcome = 'committed' | 'rolled back';

const waiting = new WeakMap<object, Array<(outcome: Outcome) => void>>();
const watched = new WeakSet<object>();

const settle = (outcome: Outcome) => async (args: TransactionEventArgs) => {
  const works = waiting.get(args.em) ?? [];
  waiting.delete(args.em);
  for (const work of works) work(outcome);
};
const subscriber: EventSubscriber = {
  afterTransactionCommit: settle('committed'),
  afterTransactionRollback: settle('rolled back'),
};

/**
 * Runs `work` once the outcome of the transaction of `em` is known, or at once without a transaction. It is for work
 * that cannot be part of the transaction. The caller does not wait for it. It may never run when the connection is
 * lost.
 */
export function afterTransaction(em: EntityManager, work: (outcome: Outcome) => void): void {
  if (!em.isInTransaction()) {
    work('committed');
    return;
  }
  // All forks of one EntityManager share one event manager.
  const events = em.getEventManager();
  if (!watched.has(events)) {
    watched.add(events);
    events.registerSubscriber(subscriber);
  }
  waiting.set(em, [...(waiting.get(em) ?? []), work]);
}
