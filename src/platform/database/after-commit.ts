import type { EventSubscriber, TransactionEventArgs } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';

/** Effects that wait for the commit of a transaction, by the transaction. */
const waiting = new WeakMap<object, Array<() => void>>();

/**
 * Runs `effect` once the transaction of `em` has committed, and never after a rollback. Without a transaction, runs it
 * at once.
 */
export function afterCommit(em: EntityManager, effect: () => void): void {
  const transaction = em.getTransactionContext<object>();
  if (!transaction) {
    effect();
    return;
  }
  const effects = waiting.get(transaction);
  if (effects) effects.push(effect);
  else waiting.set(transaction, [effect]);
}

/** Runs the waiting effects. List it among the subscribers of the ORM. */
export class AfterCommit implements EventSubscriber {
  afterTransactionCommit({ transaction }: TransactionEventArgs): void {
    for (const effect of waiting.get(transaction ?? {}) ?? []) effect();
  }
}
