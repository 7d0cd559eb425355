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
 * For what cannot take part in the transaction of `em`: `work` runs once its outcome is known, or at once where there is
 * no transaction. Nobody waits for it, and when the connection is lost meanwhile it may never run.
 */
export function afterTransaction(em: EntityManager, work: (outcome: Outcome) => void): void {
  if (!em.isInTransaction()) {
    work('committed');
    return;
  }
  // All forks of one EntityManager share what dispatches its events.
  const events = em.getEventManager();
  if (!watched.has(events)) {
    watched.add(events);
    events.registerSubscriber(subscriber);
  }
  waiting.set(em, [...(waiting.get(em) ?? []), work]);
}
