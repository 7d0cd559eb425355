import { pbkdf2Sync, scryptSync, timingSafeEqual } from 'node:crypto';
import { derivedParts } from './stored-hash.ts';

/** Bytes that scrypt may take beside its own memory: its buffers for the lanes. */
const SCRYPT_OVERHEAD = 1_048_576;

/**
 * Whether a PBKDF2 (RFC 8018) or scrypt (RFC 7914) hash is the password's. For a worker thread: it takes as long as the hash
 * says. Compares in constant time.
 */
export function isDerivedKey(hash: string, password: string): boolean {
  const { cost, salt, key } = derivedParts(hash);
  if (cost.scheme === 'pbkdf2') {
    return timingSafeEqual(pbkdf2Sync(password, salt, cost.iterations, key.length, cost.digest), key);
  }
  const { logN, blockSize: r, lanes: p } = cost;
  const maxmem = 128 * r * (2 ** logN + p) + SCRYPT_OVERHEAD;
  return timingSafeEqual(scryptSync(password, salt, key.length, { N: 2 ** logN, r, p, maxmem }), key);
}
