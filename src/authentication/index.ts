export { AuthenticationResolver } from './authentication.resolver.ts';
export { LoginResult } from './authentication.types.ts';
export { LOGIN_RULES, PasswordLogin } from './password-login.ts';
export { Reauthentication } from './reauthentication.ts';
export { RecoveryCodeTokensResolver } from './recovery-code-tokens.resolver.ts';
export { SecondStep } from './second-step.ts';
export { type LoginOutcome, SignIn, type SignInOutcome } from './sign-in.ts';
export { expiredChallenges, SignInChallenges } from './sign-in-challenges.ts';
export { issuesSession, TokenDelivery } from './token-delivery.ts';
