import { randomBytes } from 'node:crypto';
import { encodeBase64 as bcryptBase64 } from 'bcryptjs';

/** The cost in a stored password hash: enough to tell whether the hash is weaker than a new one. */
export type StoredHash =
  | { scheme: 'bcrypt'; cost: number }
  | { scheme: 'argon2id'; memoryKib: number; passes: number; lanes: number }
  | DerivedCost;

/**
 * Costs of hashes that only other systems make. `keyBytes` matters, since PBKDF2 does all its iterations for each block
 * of the digest.
 */
export type DerivedCost =
  | { scheme: 'pbkdf2'; digest: 'sha1' | 'sha256' | 'sha512'; iterations: number; keyBytes: number }
  | { scheme: 'scrypt'; logN: number; blockSize: number; lanes: number };

/**
 * Argon2id with the memory and passes of RFC 9106 section 4, second recommended option (64 MiB, t=3). That is about
 * four times the minimum of OWASP's Password Storage Cheat Sheet (m=19456, t=2). One lane instead of four: the work is
 * the same, and a hash must not occupy cores that serve requests. Each hashing thread holds the memory once.
 */
export const ARGON2_MEMORY_KIB = 65_536;
export const ARGON2_PASSES = 3;
export const ARGON2_LANES = 1;

/** Bytes; RFC 9106 section 4: 128-bit salt, 256-bit tag. */
const ARGON2_SALT_BYTES = 16;
export const ARGON2_TAG_BYTES = 32;
const DECOY_SALT_BYTES = 16;

/** log2 of the rounds of bcrypt (Provos and Mazières 1999, section 4: a two-digit cost from 4). */
export const MIN_BCRYPT_COST = 4;

/** Above this, one check takes longer than a request may last (each step doubles it), so it is a fault. */
export const MAX_BCRYPT_COST = 16;

/** KiB for one lane (RFC 9106 section 3.1). */
const MIN_ARGON2_MEMORY_KIB = 8;

/** KiB. Limits the memory that an imported hash can make one worker thread allocate. */
export const MAX_ARGON2_MEMORY_KIB = 262_144;

const MAX_ARGON2_PASSES = 16;
const MAX_ARGON2_LANES = 16;

/** Iterations, counted for each block of the digest: 1 to 3 seconds, like bcrypt at its greatest cost. */
export const MAX_PBKDF2_ITERATIONS = 10_000_000;
/** KiB that scrypt uses at once (128 N r bytes), and in all its lanes one after the other: about 2 seconds. */
export const MAX_SCRYPT_MEMORY_KIB = 262_144;
const MAX_SCRYPT_TOTAL_KIB = 1_048_576;
const MAX_SCRYPT_LANES = 16;
/** Bytes of a derived key. A shorter one would accept too many passwords; a longer one only costs time. */
const MIN_KEY_BYTES = 16;
const MAX_KEY_BYTES = 64;
const MAX_SALT_BYTES = 128;
/** Bytes (FIPS 180-4). */
const DIGEST_BYTES = { sha1: 20, sha256: 32, sha512: 64 } as const;

/** The notation in which hashes of other systems are stored (PHC string format). */
const DERIVED =
  /^\$(?:pbkdf2-(sha1|sha256|sha512)\$i=(\d{1,9})|scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2}))\$([A-Za-z0-9+/]*)\$([A-Za-z0-9+/]+)$/;

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
type Digits = string | number | undefined;

/** The costs of the notation, as numbers or as the digits of another notation. */
interface Pbkdf2Digits {
  readonly digest: string | undefined;
  readonly iterations: Digits;
}
interface ScryptDigits {
  readonly logN: number;
  readonly blockSize: Digits;
  readonly lanes: Digits;
}

/** Writes the stored notation. */
export const phc = {
  pbkdf2: ({ digest, iterations }: Pbkdf2Digits, salt: Buffer, key: Buffer): string =>
    `$pbkdf2-${digest}$i=${Number(iterations)}$${unpadded(salt)}$${unpadded(key)}`,
  scrypt: ({ logN, blockSize, lanes }: ScryptDigits, salt: Buffer, key: Buffer): string =>
    `$scrypt$ln=${logN},r=${Number(blockSize)},p=${Number(lanes)}$${unpadded(salt)}$${unpadded(key)}`,
} as const;

/**
 * Reads the stored notation.
 * @throws Error for another notation, or values out of bounds; it never repeats the hash.
 */
export function derivedParts(hash: string): { cost: DerivedCost; salt: Buffer; key: Buffer } {
  const found = DERIVED.exec(hash);
  if (!found) throw new Error('A stored password hash has an unsupported notation.');
  const [, digest, iterations, logN, blockSize, lanes, salt = '', key = ''] = found;
  const parts = { salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
  within(parts.salt.length, 1, MAX_SALT_BYTES, 'number of bytes of salt');
  const keyBytes = within(parts.key.length, MIN_KEY_BYTES, MAX_KEY_BYTES, 'number of bytes');
  const cost: DerivedCost =
    digest === undefined
      ? scryptCost(Number(logN), Number(blockSize), Number(lanes))
      : pbkdf2Cost(digest as keyof typeof DIGEST_BYTES, Number(iterations), keyBytes);
  return { cost, ...parts };
}

function pbkdf2Cost(
  digest: keyof typeof DIGEST_BYTES,
  iterations: number,
  keyBytes: number,
): DerivedCost & { scheme: 'pbkdf2' } {
  const cost = { scheme: 'pbkdf2', digest, iterations, keyBytes } as const;
  within(iterations * blocksOf(cost), 1, MAX_PBKDF2_ITERATIONS, 'number of PBKDF2 iterations');
  return cost;
}

const blocksOf = ({ digest, keyBytes }: DerivedCost & { scheme: 'pbkdf2' }): number =>
  Math.ceil(keyBytes / DIGEST_BYTES[digest]);

function scryptCost(logN: number, blockSize: number, lanes: number): DerivedCost & { scheme: 'scrypt' } {
  within(logN, 1, 20, 'log2 of the scrypt cost N');
  within(lanes, 1, MAX_SCRYPT_LANES, 'number of scrypt lanes');
  const cost = { scheme: 'scrypt', logN, blockSize, lanes } as const;
  within(scryptKib(cost) / lanes, 0.25, MAX_SCRYPT_MEMORY_KIB, 'scrypt memory in KiB');
  within(scryptKib(cost), 0.25, MAX_SCRYPT_TOTAL_KIB, 'scrypt memory in KiB, all lanes together,');
  return cost;
}

const scryptKib = ({ logN, blockSize, lanes }: DerivedCost & { scheme: 'scrypt' }): number =>
  (2 ** logN * blockSize * lanes) / 8;

/** crypt(3) form: version, cost, 22 characters of salt, 31 of digest. */
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;

/** PHC string format. The lengths of salt and tag are those that RFC 9106 section 3.1 allows and libraries write. */
const ARGON2ID =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{16,128}$/;

/**
 * Reads scheme and cost from a stored hash.
 *
 * @throws Error when it is neither bcrypt ($2a$, $2b$, $2y$) nor a PHC string of Argon2id, PBKDF2 or scrypt, or
 * requires more work than the bounds above. The message never repeats the hash.
 */
export function parseStoredHash(hash: string): StoredHash {
  const bcrypt = BCRYPT.exec(hash);
  if (bcrypt !== null) {
    const cost = Number(bcrypt[1]);
    return { scheme: 'bcrypt', cost: within(cost, MIN_BCRYPT_COST, MAX_BCRYPT_COST, 'bcrypt cost') };
  }
  const argon2 = ARGON2ID.exec(hash);
  if (argon2 !== null) {
    const [memoryKib, passes, lanes] = argon2.slice(1).map(Number) as [number, number, number];
    within(memoryKib, MIN_ARGON2_MEMORY_KIB * lanes, MAX_ARGON2_MEMORY_KIB, 'Argon2id memory');
    within(passes, 1, MAX_ARGON2_PASSES, 'number of Argon2id passes');
    within(lanes, 1, MAX_ARGON2_LANES, 'number of Argon2id lanes');
    return { scheme: 'argon2id', memoryKib, passes, lanes };
  }
  return derivedParts(hash).cost;
}

/** The cost of new hashes. */
export function currentCost(scheme: 'bcrypt' | 'argon2id', bcryptCost: number): StoredHash {
  return scheme === 'bcrypt'
    ? { scheme, cost: bcryptCost }
    : { scheme, memoryKib: ARGON2_MEMORY_KIB, passes: ARGON2_PASSES, lanes: ARGON2_LANES };
}

/**
 * Rounds of bcrypt that take the time of 64 MiB in 3 passes. Two machines measured 820 (45 against 56 ms for cost 10)
 * and 940 (56 against 61 ms). Other machines may differ by more, since Argon2 depends on the memory and bcrypt on the
 * processor.
 */
const ROUNDS_OF_ARGON2 = 870;

/** Iterations that take the time of one round of bcrypt (54 µs), measured on one machine in three runs. */
const PBKDF2_ITERATIONS_OF_ROUND = { sha1: 505, sha256: 490, sha512: 182 } as const;
/** KiB; 38 in a memory of 16 MiB, 26 in one of 128 MiB. */
const SCRYPT_KIB_OF_ROUND = 30;

/** Approximate cost of a comparison in rounds of bcrypt, to compare different schemes. */
export function approximateRounds(cost: StoredHash): number {
  if (cost.scheme === 'bcrypt') return 2 ** cost.cost;
  if (cost.scheme === 'pbkdf2') {
    return (cost.iterations * blocksOf(cost)) / PBKDF2_ITERATIONS_OF_ROUND[cost.digest];
  }
  if (cost.scheme === 'scrypt') return scryptKib(cost) / SCRYPT_KIB_OF_ROUND;
  return (ROUNDS_OF_ARGON2 * cost.memoryKib * cost.passes) / (ARGON2_MEMORY_KIB * ARGON2_PASSES);
}

/**
 * A hash of no password: random salt and digest in the form and at the cost of a real one, so that a comparison takes
 * as long. No one knows a password for it, and finding one is as hard as inverting the digest.
 */
export function decoyHash(cost: StoredHash): string {
  if (cost.scheme === 'bcrypt') {
    // 16 bytes of salt and 23 of digest, in bcrypt's own base64 (Provos and Mazières 1999).
    const [salt, digest] = [bcryptBase64(randomBytes(16), 16), bcryptBase64(randomBytes(23), 23)];
    return `$2b$${String(cost.cost).padStart(2, '0')}$${salt}${digest}`;
  }
  if (cost.scheme === 'pbkdf2') {
    return phc.pbkdf2(cost, randomBytes(DECOY_SALT_BYTES), randomBytes(cost.keyBytes));
  }
  if (cost.scheme === 'scrypt') {
    return phc.scrypt(cost, randomBytes(DECOY_SALT_BYTES), randomBytes(32));
  }
  const [salt, tag] = [ARGON2_SALT_BYTES, ARGON2_TAG_BYTES].map((bytes) =>
    randomBytes(bytes).toString('base64').replace(/=+$/, ''),
  );
  return `$argon2id$v=19$m=${cost.memoryKib},t=${cost.passes},p=${cost.lanes}$${salt}$${tag}`;
}

/**
 * Decoys that take as long as the difference between a comparison at the cost `target` and one at the cost `stored`.
 * Between two schemes the result is an estimate by approximateRounds. Its error affects only the part of the time
 * that `stored` takes.
 */
export function decoysForDifference(stored: StoredHash, target: StoredHash): string[] {
  if (stored.scheme === 'bcrypt' && target.scheme === 'bcrypt') {
    // A step of the cost doubles the time: c, then c, c + 1 ... t - 1, together take as long as t.
    const steps = Math.max(0, target.cost - stored.cost);
    return Array.from({ length: steps }, (_, step) =>
      decoyHash({ scheme: 'bcrypt', cost: stored.cost + step }),
    );
  }
  return decoysForShare(target, Math.max(0, 1 - approximateRounds(stored) / approximateRounds(target)));
}

/**
 * Decoys that together take this share (0 to 1) of the time of a comparison at `target`. For bcrypt and scrypt, rounded
 * to the nearest 32nd.
 */
function decoysForShare(target: StoredHash, share: number): string[] {
  if (target.scheme === 'argon2id') {
    // Whole passes first: with less memory, more of it fits into the caches, and a KiB takes less time.
    const passes = Math.floor(target.passes * share);
    const memoryKib = Math.floor(target.memoryKib * (target.passes * share - passes));
    return [
      ...(passes >= 1 ? [decoyHash({ ...target, passes })] : []),
      ...(memoryKib >= MIN_ARGON2_MEMORY_KIB * target.lanes
        ? [decoyHash({ ...target, memoryKib, passes: 1 })]
        : []),
    ];
  }
  if (target.scheme === 'pbkdf2') {
    const iterations = Math.floor(target.iterations * share);
    return iterations >= 1 ? [decoyHash({ ...target, iterations })] : [];
  }
  const shareIn32nds = Math.round(share * 32);
  // The binary digits of the share: each cost below that of the target takes half the time of the cost above it.
  const steps = [0, 1, 2, 3, 4, 5].filter((step) => shareIn32nds & (32 >> step));
  if (target.scheme === 'scrypt') {
    return steps
      .filter((step) => target.logN - step >= 1)
      .map((step) => decoyHash({ ...target, logN: target.logN - step }));
  }
  return steps
    .filter((step) => target.cost - step >= MIN_BCRYPT_COST)
    .map((step) => decoyHash({ scheme: 'bcrypt', cost: target.cost - step }));
}

/** Bytes of a password that bcrypt reads (Provos and Mazières 1999, section 4). It ignores the rest. */
const MAX_BCRYPT_BYTES = 72;

/**
 * Whether the scheme of a plain hash distinguishes this password from every other one. bcrypt ignores bytes after the
 * 72nd, and repeats the password with a NUL after it until it has 72 bytes: `abc`, a NUL and `abc` have the hash of
 * `abc`. HMAC, the basis of PBKDF2 and scrypt, fills its key with NULs (RFC 2104 section 2): `abc` and a NUL have the
 * hash of `abc`.
 */
export function isToldApart({ scheme }: StoredHash, password: string): boolean {
  if (scheme === 'argon2id') return true;
  if (password.includes('\0')) return false;
  return scheme !== 'bcrypt' || Buffer.byteLength(password, 'utf8') <= MAX_BCRYPT_BYTES;
}

function within(value: number, least: number, most: number, what: string): number {
  if (value < least || value > most) {
    throw new Error(`A stored password hash has a ${what} of ${value}; ${least} to ${most} is supported.`);
  }
  return value;
}
