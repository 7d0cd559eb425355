/**
 * Runs in a worker thread of PasswordHasher. Node itself strips the types when it loads this file from src, so it may
 * contain only erasable syntax.
 */
import { hashSync as argon2Hash, verifySync as argon2Verify } from '@node-rs/argon2';
import { hashSync as bcryptHash, compareSync as bcryptVerify } from 'bcryptjs';
import { isDerivedKey } from './derived-key.ts';
import {
  ARGON2_LANES,
  ARGON2_MEMORY_KIB,
  ARGON2_PASSES,
  ARGON2_TAG_BYTES,
  decoysForDifference,
  parseStoredHash,
  type StoredHash,
} from './stored-hash.ts';

export interface HashJob {
  scheme: 'bcrypt' | 'argon2id';
  bcryptCost: number;
  secret: string;
}

export interface VerifyJob {
  hash: string;
  secret: string;
  /** The job takes as long as a comparison at this cost, unless the hash itself costs more. */
  target: StoredHash;
  /** Whether the answer to the client reveals a match. Then a match ends the job without padding. */
  matchShows: boolean;
  /** Hashed after a revealed match; null to hash nothing. */
  rehash: HashJob | null;
}

export interface Verified {
  matches: boolean;
  rehashed: string | null;
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

/** Whether the secret belongs to the hash. The same job then does the padding or makes the new hash. */
export function verify({ hash: stored, secret, target, matchShows, rehash }: VerifyJob): Verified {
  const matches = compare(stored, secret);
  if (matches && matchShows) return { matches, rehashed: rehash && hash(rehash) };
  for (const decoy of decoysForDifference(parseStoredHash(stored), target)) compare(decoy, secret);
  return { matches, rehashed: null };
}

/** Compares in constant time, as the libraries guarantee. */
function compare(hash: string, secret: string): boolean {
  const { scheme } = parseStoredHash(hash);
  if (scheme === 'bcrypt') return bcryptVerify(secret, hash);
  return scheme === 'argon2id' ? argon2Verify(hash, secret) : isDerivedKey(hash, secret);
}
