/**
 * Mistakes that must not compile. `npm run typecheck` fails when one of them does: an unused `@ts-expect-error` is an error.
 * Nothing here runs.
 */
import type { EntityManager } from '@mikro-orm/postgresql';
import type { RateLimiter } from '../src/platform/rate-limit/index.ts';
import type { Revocations, SessionStore } from '../src/sessions/index.ts';

/** Another process would accept the tokens until its next poll. */
export async function anyTransactionMayEndSessions(
  em: EntityManager,
  revocations: Revocations,
  store: SessionStore,
  id: string,
): Promise<void> {
  await em.transactional(async (tx) => {
    // @ts-expect-error The transaction does not announce the revocation.
    await revocations.raiseEpoch(tx, id);
    // @ts-expect-error
    await revocations.rolesChanged(tx);
    // @ts-expect-error
    await store.remove(tx, id, id);
  });
  await revocations.transactional(em, async (tx) => {
    await revocations.raiseEpoch(tx, id);
    await revocations.rolesChanged(tx);
    await store.remove(tx, id, id);
  });
}

/** A misspelt rule would only be found when the operation is called. */
export async function anyTextMayBeCharged(
  limiter: RateLimiter<'login.ip' | 'login.account'>,
  networks: readonly [string, ...string[]],
): Promise<void> {
  await limiter.charge(['login.ip', networks], ['login.account', 'alice']);
  // @ts-expect-error There is no such rule.
  await limiter.charge(['login.acount', 'alice']);
  // @ts-expect-error An account has no networks.
  await limiter.charge(['login.account', networks]);
  // @ts-expect-error A client is counted by its networks.
  await limiter.charge(['login.ip', networks[0]]);
  // @ts-expect-error An object has no reliable order.
  await limiter.charge({ 'login.account': 'alice' });
  // @ts-expect-error Its user would charge a rule that this limiter does not have.
  void (limiter satisfies RateLimiter<'login.ip' | 'login.account' | 'register.ip'>);
  void (limiter satisfies RateLimiter<'login.account'>);
}
