export { AuthenticationResolver } from './authentication.resolver.ts';
export { LOGIN_RULES, PasswordLogin } from './password-login.ts';
export { REAUTHENTICATION_RULES, Reauthentication } from './reauthentication.ts';
export { SignIn } from './sign-in.ts';
