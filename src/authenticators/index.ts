export type { AuthenticatorServices } from './compose.ts';
export { RecoveryCodesType } from './recovery-codes/recovery-code.types.ts';
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
export { fullAllowances } from './second-factor-throttle.ts';
export { SecondFactors } from './second-factors.ts';
export { expiredEnrolments } from './totp/totp-enrolments.ts';
export { TotpSecrets } from './totp/totp-secrets.ts';
