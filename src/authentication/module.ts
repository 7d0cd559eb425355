import { ALL_RIGHTS, type Module } from '../platform/module-type.ts';
import { AuthenticationResolver } from './authentication.resolver.ts';
import { composeAuthentication } from './compose.ts';
import { logins } from './metrics.ts';
import { SIGN_IN_NOTICES } from './notices.ts';
import { LOGIN_RULES } from './password-login.ts';
import { REAUTHENTICATION_RULES } from './reauthentication.ts';
import { RecoveryCodeTokensResolver } from './recovery-code-tokens.resolver.ts';
import { SECOND_STEP_RULES } from './second-step.ts';
import { SignInChallenge } from './sign-in-challenge.entity.ts';

/** Signing in, and proving it again. */
export const authentication = {
  name: 'authentication',
  metrics: [logins],
  tables: {
    sign_in_challenge: { entity: SignInChallenge, rights: ALL_RIGHTS },
  },
  resolvers: [AuthenticationResolver, RecoveryCodeTokensResolver],
  rateLimits: { ...LOGIN_RULES, ...REAUTHENTICATION_RULES, ...SECOND_STEP_RULES },
  notices: SIGN_IN_NOTICES,
  compose: composeAuthentication,
} as const satisfies Module;
