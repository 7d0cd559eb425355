import { availableParallelism } from 'node:os';
import { AccountFactors } from '../authenticators/index.ts';
import {
  CurrentPasswordCheck,
  PasswordChange,
  PasswordHasher,
  PasswordResolver,
  Passwords,
  passwordData,
} from '../passwords/index.ts';
import type { Devices } from './devices.ts';
import type { Identities } from './identities.ts';
import type { Part } from './part.ts';
import type { Platform } from './platform.ts';
import type { Sessions } from './sessions.ts';

/** Hashes that may wait for each thread, however short they are. */
const HASH_QUEUE_PER_THREAD = 32;
/**
 * Of those, what only known devices, signed-in callers and holders of mailed links may take: a quarter. They go in turn with
 * the strangers, so that the last of them waits for 16 hashes on its thread, four seconds of bcrypt at cost 12.
 */
const RESERVED_PER_THREAD = 8;
/**
 * Milliseconds that one may have to wait for its turn, where they take longer: once a rush is over, everybody waits
 * behind what it left in the queue.
 */
const MAX_HASH_WAIT = 7_000;

export type PasswordPart = Awaited<ReturnType<typeof composePasswords>>;

/** @throws {InvalidSettings} a pepper is missing that a stored hash needs. */
export async function composePasswords(
  { config, secrets, clock, closing, rateLimiter, fork, audit, tokens, notices }: Platform,
  { revocations, signOut, renewals }: Sessions,
  { googleIdentities }: Identities,
  { devices, deviceCookie }: Devices,
) {
  const { password, productName } = config;
  const threads = Math.max(1, availableParallelism() - 1);
  const hasher = new PasswordHasher({
    ...password,
    peppers: secrets.passwordPeppers,
    threads,
    queue: threads * HASH_QUEUE_PER_THREAD,
    reserved: threads * RESERVED_PER_THREAD,
    maxWaitMs: MAX_HASH_WAIT,
  });
  closing.push(() => hasher.close());
  const passwords = new Passwords(hasher, { minLength: password.minLength, productName });
  await passwords.checkPeppers(fork(), secrets.passwordPeppers);
  await passwords.padToStored(fork());
  const accountFactors = new AccountFactors(config.google ? googleIdentities : null);
  const currentPasswordCheck = new CurrentPasswordCheck({
    passwords,
    factors: accountFactors,
    devices,
    audit,
    rateLimiter,
    clock,
  });
  const change = new PasswordChange({
    passwords,
    currentPasswordCheck,
    tokens,
    revocations,
    signOut,
    devices,
    notices,
    audit,
  });
  return {
    passwords,
    currentPasswordCheck,
    accountFactors,
    /** Who hashes and who waits for it, at most. */
    hashPlaces: threads * (1 + HASH_QUEUE_PER_THREAD),
    resolvers: [new PasswordResolver(change, renewals, deviceCookie)],
    personalData: [passwordData],
  } satisfies Part & Record<string, unknown>;
}
