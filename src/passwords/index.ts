export type { PasswordServices } from './compose.ts';
export { CurrentPasswordCheck } from './current-password-check.ts';
export { type Asker, NotHashed } from './hash-queue.ts';
export { PasswordHasher, type StoredPassword } from './password-hasher.ts';
export { type PasswordCandidate, type PasswordProof, Passwords } from './passwords.ts';
