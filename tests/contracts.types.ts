/**
 * Mistakes that must not compile. `npm run typecheck` fails when one of them does: an unused `@ts-expect-error` is an error.
 * Nothing here runs.
 */
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Config } from '../src/config/index.ts';
import type { Deployment } from '../src/platform/doctor/index.ts';
import { MAIL_SETTINGS } from '../src/platform/mail/settings.ts';
import { ModuleList } from '../src/platform/module-list.ts';
import type { Module } from '../src/platform/module-type.ts';
import type { RateLimiter } from '../src/platform/rate-limit/index.ts';
import { type ConfigOf, setting } from '../src/platform/setting-declaration.ts';
import { oneOf, wholeNumber } from '../src/platform/setting-parsers.ts';
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
  // @ts-expect-error The limiter does not have every rule that the type promises.
  void (limiter satisfies RateLimiter<'login.ip' | 'login.account' | 'register.ip'>);
  void (limiter satisfies RateLimiter<'login.account'>);
}

/** A start would then use a value that the operator cannot set. */
export const anyValueMayBeTheDefault = [
  // @ts-expect-error The parser does not take it.
  setting('HASH', { parse: oneOf('bcrypt', 'argon2id'), default: 'md5', description: 'A hash.' }),
  // @ts-expect-error The parser makes a number.
  setting('DAYS', { parse: wholeNumber({ min: 1, max: 9 }), default: '3', description: 'Days.' }),
];

/** Config has the types of the parsers. */
export function anyFieldMayBeRead({ session, http }: Config): void {
  session.tokenDelivery satisfies 'both' | 'cookie' | 'body';
  // Declared by two modules.
  http.publicUrl satisfies string;
  http.connections.total satisfies number;
  // @ts-expect-error It has no default.
  session.idleTtlSeconds satisfies number;
  // @ts-expect-error No module declares it.
  session.idleTtl;
  // @ts-expect-error It is read once.
  http.port = 1;
}

/** A module that stands before one that it needs would get undefined services. */
export function modulesMayStandInAnyOrder(): void {
  const first = {
    name: 'first-part',
    compose: () => ({ services: { answer: 42 } }),
  } as const satisfies Module;
  const second = {
    name: 'second',
    compose: ({ firstPart: { answer } }: { firstPart: { answer: number } }) => ({ services: { answer } }),
  } as const satisfies Module;
  const third = {
    name: 'third',
    compose: (given: { firstPart: { answer: string }; second: object }) => ({ services: given }),
  } as const satisfies Module;
  ModuleList.given<object>().with(first).with(second);
  // @ts-expect-error The module that offers the services comes later.
  ModuleList.given<object>().with(second).with(first);
  // @ts-expect-error The service has another type.
  ModuleList.given<object>().with(first).with(second).with(third);
  const checked = {
    name: 'checked',
    settings: [MAIL_SETTINGS],
    checks: [{ name: 'mail', run: (_: Deployment<ConfigOf<typeof MAIL_SETTINGS>>) => null }],
  } as const satisfies Module;
  ModuleList.given<object>().with(checked);
  const unsettled = { name: 'unsettled', checks: checked.checks } as const satisfies Module;
  // @ts-expect-error No module declares the settings that the check reads.
  ModuleList.given<object>().with(unsettled);
}
