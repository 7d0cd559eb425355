import { ALL_RIGHTS, type Module, NO_UPDATE } from '../platform/module-type.ts';
import { composeAuthenticators } from './compose.ts';
import { SECOND_FACTOR_NOTICES } from './notices.ts';
import { RecoveryCode } from './recovery-codes/recovery-code.entity.ts';
import { RecoveryCodeResolver } from './recovery-codes/recovery-code.resolver.ts';
import { SECOND_FACTOR_CHANGE_RULES } from './second-factor-changes.ts';
import { SecondFactorGuesses } from './second-factor-guesses.entity.ts';
import { SECOND_FACTOR_RULES } from './second-factor-throttle.ts';
import { TotpResolver } from './totp/totp.resolver.ts';
import { TotpAuthenticator } from './totp/totp-authenticator.entity.ts';
import { TotpEnrolment } from './totp/totp-enrolment.entity.ts';
import { ENROLMENT_RULES } from './totp/totp-enrolments.ts';

/** Second factors. */
export const authenticators = {
  name: 'authenticators',
  tables: {
    totp_authenticator: { entity: TotpAuthenticator, rights: ALL_RIGHTS },
    totp_enrolment: { entity: TotpEnrolment, rights: ALL_RIGHTS },
    recovery_code: { entity: RecoveryCode, rights: NO_UPDATE },
    second_factor_guesses: { entity: SecondFactorGuesses, rights: ALL_RIGHTS },
  },
  resolvers: [TotpResolver, RecoveryCodeResolver],
  rateLimits: { ...SECOND_FACTOR_RULES, ...ENROLMENT_RULES, ...SECOND_FACTOR_CHANGE_RULES },
  notices: SECOND_FACTOR_NOTICES,
  compose: composeAuthenticators,
} as const satisfies Module;
