export type { AuthenticatorServices } from './compose.ts';
export { secondFactorData } from './personal-data.ts';
export { RecoveryCodeResolver } from './recovery-codes/recovery-code.resolver.ts';
export { RecoveryCodesType } from './recovery-codes/recovery-code.types.ts';
export { RecoveryCodes } from './recovery-codes/recovery-codes.ts';
export { SecondFactorChanges } from './second-factor-changes.ts';
export {
  CREDENTIAL_OF,
  FACTOR_ARGUMENTS,
  type FactorArguments,
  type FactorKind,
  readFactor,
  requireFactor,
  type SecondFactorInput,
} from './second-factor-input.ts';
export { fullAllowances, SecondFactorThrottle } from './second-factor-throttle.ts';
export { SecondFactors } from './second-factors.ts';
export { TotpResolver } from './totp/totp.resolver.ts';
export { expiredEnrolments, TotpEnrolments } from './totp/totp-enrolments.ts';
export { TotpSecrets } from './totp/totp-secrets.ts';
