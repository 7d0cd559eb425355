import type { EventSubscriber, TransactionEventArgs } from '@mikro-orm/core';
import type { EntityManager } from '@mikro-orm/postgresql';

/** Effects that wait for the commit of a transaction, by the transaction. */
const waiting = new WeakMap<object, Array<() => void>>();

/** Runs `effect` once the transaction that `em` is in has committed, and never when it is rolled back. Outside of one: now. */
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

/** Calls what waits. For the list of subscribers of the ORM. */
export class AfterCommit implements EventSubscriber {
  afterTransactionCommit({ transaction }: TransactionEventArgs): void {
    for (const effect of waiting.get(transaction ?? {}) ?? []) effect();
  }
}
