import { pbkdf2Sync, scryptSync, timingSafeEqual } from 'node:crypto';
import { derivedParts } from './stored-hash.ts';

/** Extra bytes for the buffers of scrypt's lanes, beyond its own memory. */
const SCRYPT_OVERHEAD = 1_048_576;

/**
 * Whether a PBKDF2 (RFC 8018) or scrypt (RFC 7914) hash belongs to the password. Run it in a worker thread: its time
 * depends on the hash. Compares in constant time.
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
