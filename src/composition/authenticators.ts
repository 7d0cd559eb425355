import {
  expiredEnrolments,
  fullAllowances,
  RecoveryCodeResolver,
  RecoveryCodes,
  SecondFactorChanges,
  SecondFactors,
  SecondFactorThrottle,
  secondFactorData,
  TotpEnrolments,
  TotpResolver,
  TotpSecrets,
} from '../authenticators/index.ts';
import type { Part } from './part.ts';
import type { PasswordPart } from './passwords.ts';
import type { Platform } from './platform.ts';
import type { Sessions } from './sessions.ts';

export type Authenticators = Awaited<ReturnType<typeof composeAuthenticators>>;

/**
 * The second factors.
 * @throws {InvalidSettings} an encryption key is missing that a stored secret needs.
 */
export async function composeAuthenticators(
  { config, secrets, clock, rateLimiter, fork, audit, notices }: Platform,
  { revocations, signOut, requirement, renewals }: Sessions,
  { currentPasswordCheck, accountFactors }: PasswordPart,
) {
  const totpSecrets = new TotpSecrets(secrets.encryptionKeys);
  await totpSecrets.checkKeys(fork());
  const recoveryCodes = new RecoveryCodes();
  const allowance = new SecondFactorThrottle(rateLimiter);
  const secondFactors = new SecondFactors({
    allowance,
    secrets: totpSecrets,
    recoveryCodes,
    notices,
    audit,
    clock,
  });
  const enrolments = new TotpEnrolments({
    secrets: totpSecrets,
    recoveryCodes,
    currentPasswordCheck,
    signOut,
    revocations,
    notices,
    audit,
    rateLimiter,
    clock,
    options: { issuer: config.productName },
  });
  const secondFactorChanges = new SecondFactorChanges({
    secondFactors,
    recoveryCodes,
    currentPasswordCheck,
    signOut,
    revocations,
    requirement,
    notices,
    audit,
    rateLimiter,
  });
  return {
    secondFactors,
    secondFactorChanges,
    resolvers: [
      new TotpResolver(enrolments, secondFactorChanges, renewals, accountFactors),
      new RecoveryCodeResolver(recoveryCodes, secondFactorChanges, renewals),
    ],
    personalData: [secondFactorData],
    chores: [expiredEnrolments, fullAllowances, totpSecrets.resealing],
  } satisfies Part & Record<string, unknown>;
}
