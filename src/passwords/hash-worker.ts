/**
 * Runs in a worker thread of PasswordHasher. Node strips the types itself when it loads this file from src, so only
 * erasable syntax may stand here.
 */
import { hashSync as argon2Hash, verifySync as argon2Verify } from '@node-rs/argon2';
import { hashSync as bcryptHash, compareSync as bcryptVerify } from 'bcryptjs';
import { ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_TAG_BYTES } from './stored-hash.ts';

export interface HashJob {
  scheme: 'bcrypt' | 'argon2id';
  bcryptCost: number;
  secret: string;
}

export interface VerifyJob {
  scheme: 'bcrypt' | 'argon2id';
  hash: string;
  secret: string;
}

/** Hashes under a fresh salt: `$2b$...` or a PHC string. */
export function hash({ scheme, bcryptCost, secret }: HashJob): string {
  if (scheme === 'bcrypt') {
    return bcryptHash(secret, bcryptCost);
  }
  return argon2Hash(secret, {
    memoryCost: ARGON2_MEMORY_KIB,
    timeCost: ARGON2_PASSES,
    parallelism: ARGON2_LANES,
    outputLen: ARGON2_TAG_BYTES,
  });
}

/** Whether the secret belongs to the hash; compares in constant time (both libraries do). */
export function verify({ scheme, hash, secret }: VerifyJob): boolean {
  return scheme === 'bcrypt' ? bcryptVerify(secret, hash) : argon2Verify(hash, secret);
}
