export { LoginResult } from './authentication.types.ts';
export type { AuthenticationServices } from './compose.ts';
export { LOGIN_RULES, PasswordLogin } from './password-login.ts';
export { proofArgument } from './reauthenticate.args.ts';
export { type LoginOutcome, SignIn, type SignInOutcome } from './sign-in.ts';
export { expiredChallenges } from './sign-in-challenges.ts';
export { issuesSession, TokenDelivery } from './token-delivery.ts';
