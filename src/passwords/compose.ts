import { availableParallelism } from 'node:os';
import type { DeviceServices } from '../devices/index.ts';
import type { IdentityServices } from '../identities/index.ts';
import type { NoticeServices } from '../notices/index.ts';
import type { OneTimeTokenServices } from '../one-time-tokens/index.ts';
import type { PlatformServices, PlatformSettings } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import { shareOf } from '../platform/worker-seat.ts';
import type { SessionServices } from '../sessions/index.ts';
import { AccountFactors } from './account-factors.ts';
import { CurrentPasswordCheck } from './current-password-check.ts';
import { PasswordResolver } from './password.resolver.ts';
import { PasswordChange } from './password-change.ts';
import { PasswordHasher } from './password-hasher.ts';
import { Passwords } from './passwords.ts';
import { passwordData } from './personal-data.ts';
import type { PASSWORD_SETTINGS } from './settings.ts';

/** Hashes that may wait for each thread, however short they are. */
const HASH_QUEUE_PER_THREAD = 32;
/**
 * The quarter of these places that only known devices, signed-in callers and holders of mailed links may take. Their
 * jobs alternate with the jobs of strangers. So the last of them waits for 16 hashes on its thread: four seconds of
 * bcrypt at cost 12.
 */
const RESERVED_PER_THREAD = 8;
/**
 * Milliseconds that a hash may wait for its turn. It bounds the queue when hashes take longer: otherwise later requests
 * would wait behind the jobs that a rush has left in the queue.
 */
const MAX_HASH_WAIT = 7_000;

export type PasswordServices = ServicesOf<typeof composePasswords>;

/** @throws {InvalidSettings} a pepper is missing that a stored hash needs. */
export async function composePasswords({
  config,
  platform: { secrets, worker, clock, closing, rateLimiter, fork, audit },
  oneTimeTokens: { tokens },
  notices: { notices },
  sessions: { revocations, signOut, renewals },
  devices: { devices, deviceCookie },
  identities: { providers },
}: {
  config: PlatformSettings & ConfigOf<typeof PASSWORD_SETTINGS>;
  platform: PlatformServices;
  oneTimeTokens: OneTimeTokenServices;
  notices: NoticeServices;
  sessions: SessionServices;
  devices: DeviceServices;
  identities: IdentityServices;
}) {
  const { password, productName } = config;
  // One processor is left to the event loop. Workers divide the threads, and have at least one each.
  const threads = shareOf(Math.max(1, availableParallelism() - 1), worker);
  const hasher = new PasswordHasher({
    ...password,
    peppers: secrets.passwordPeppers,
    threads,
    queue: threads * HASH_QUEUE_PER_THREAD,
    reserved: threads * RESERVED_PER_THREAD,
    maxWaitMs: MAX_HASH_WAIT,
  });
  closing.push(() => hasher.close());
  const passwords = new Passwords(hasher, { ...password, productName });
  await passwords.checkPeppers(fork(), secrets.passwordPeppers);
  await passwords.padToStored(fork());
  const accountFactors = new AccountFactors(providers);
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
    services: {
      passwords,
      currentPasswordCheck,
      accountFactors,
      /** The maximum number of operations that hash, or wait for a hash, at the same time. */
      hashPlaces: threads * (1 + HASH_QUEUE_PER_THREAD),
    },
    resolvers: [new PasswordResolver(change, renewals, deviceCookie)],
    personalData: [passwordData],
  } satisfies Composed;
}
