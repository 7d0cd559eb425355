/**
 * Mistakes that must not compile. `npm run typecheck` fails when one of them does: an unused `@ts-expect-error` is an error.
 * Nothing here runs.
 */
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Endings, SessionStore } from '../src/sessions/index.ts';

/** Another process would go on accepting the tokens until its next look. */
export async function anyTransactionMayEndSessions(
  em: EntityManager,
  endings: Endings,
  store: SessionStore,
  id: string,
): Promise<void> {
  await em.transactional(async (tx) => {
    // @ts-expect-error The transaction does not announce what ends in it.
    await endings.raiseEpoch(tx, id);
    // @ts-expect-error
    await endings.rolesChanged(tx);
    // @ts-expect-error
    await store.remove(tx, id, id);
  });
  await endings.transactional(em, async (tx) => {
    await endings.raiseEpoch(tx, id);
    await endings.rolesChanged(tx);
    await store.remove(tx, id, id);
  });
}
