export { PasswordResolver } from './password.resolver.ts';
export { PASSWORD_CHANGE_RULES, PasswordChange } from './password-change.ts';
export { PasswordHasher, type StoredPassword } from './password-hasher.ts';
export { type PasswordCandidate, type PasswordProof, Passwords } from './passwords.ts';
