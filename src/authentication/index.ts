export { AuthenticationResolver } from './authentication.resolver.ts';
export { LOGIN_RULES, PasswordLogin } from './password-login.ts';
export { REAUTHENTICATION_RULES, Reauthentication } from './reauthentication.ts';
export { SECOND_STEP_RULES, SecondStep } from './second-step.ts';
export { SignIn } from './sign-in.ts';
export { expiredChallenges, SignInChallenges } from './sign-in-challenges.ts';
