export type { PasswordServices } from './compose.ts';
export { CURRENT_PASSWORD_RULES, CurrentPasswordCheck } from './current-password-check.ts';
export { type Asker, NotHashed } from './hash-threads.ts';
export { PasswordResolver } from './password.resolver.ts';
export { PasswordChange } from './password-change.ts';
export { PasswordHasher, type StoredPassword } from './password-hasher.ts';
export { type PasswordCandidate, type PasswordProof, Passwords } from './passwords.ts';
export { passwordData } from './personal-data.ts';
