import type { NoticeServices } from '../notices/index.ts';
import type { PasswordServices } from '../passwords/index.ts';
import type { PlatformServices, PlatformSettings } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import type { SessionServices } from '../sessions/index.ts';
import { secondFactorData } from './personal-data.ts';
import { RecoveryCodeResolver } from './recovery-codes/recovery-code.resolver.ts';
import { RecoveryCodes } from './recovery-codes/recovery-codes.ts';
import { SecondFactorChanges } from './second-factor-changes.ts';
import { fullAllowances, SecondFactorThrottle } from './second-factor-throttle.ts';
import { SecondFactors } from './second-factors.ts';
import { TotpResolver } from './totp/totp.resolver.ts';
import { TotpCodes } from './totp/totp-codes.ts';
import { expiredEnrolments, TotpEnrolments } from './totp/totp-enrolments.ts';
import { TotpSecrets } from './totp/totp-secrets.ts';

export type AuthenticatorServices = ServicesOf<typeof composeAuthenticators>;

/**
 * The second factors.
 * @throws {InvalidSettings} an encryption key is missing that a stored secret needs.
 */
export async function composeAuthenticators({
  config,
  platform: { secrets, clock, rateLimiter, fork, audit },
  notices: { notices },
  sessions: { revocations, signOut, requirement, renewals },
  passwords: { currentPasswordCheck },
}: {
  config: PlatformSettings;
  platform: PlatformServices;
  notices: NoticeServices;
  sessions: SessionServices;
  passwords: PasswordServices;
}) {
  const totpSecrets = new TotpSecrets(secrets.encryptionKeys);
  await totpSecrets.checkKeys(fork());
  const recoveryCodes = new RecoveryCodes();
  const allowance = new SecondFactorThrottle(rateLimiter);
  const secondFactors = new SecondFactors({
    allowance,
    totpCodes: new TotpCodes(totpSecrets, clock),
    recoveryCodes,
    notices,
    audit,
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
    services: { secondFactors, secondFactorChanges },
    resolvers: [
      new TotpResolver(enrolments, secondFactorChanges, renewals),
      new RecoveryCodeResolver(recoveryCodes, secondFactorChanges, renewals),
    ],
    personalData: [secondFactorData],
    chores: [expiredEnrolments, fullAllowances, totpSecrets.resealing],
  } satisfies Composed;
}
