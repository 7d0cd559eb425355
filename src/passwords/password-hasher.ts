import { createHmac } from 'node:crypto';
import { findKey, type Key, type Keyring } from '../platform/keyring.ts';
import { type Asker, HashQueue, type HashQueueOptions, requireInteger } from './hash-queue.ts';
import type { HashJob, Verified, VerifyJob } from './hash-worker.ts';
import { passwordSizeProblem } from './password-size.ts';
import {
  ARGON2_MEMORY_KIB,
  ARGON2_PASSES,
  approximateRounds,
  currentCost,
  decoyHash,
  isToldApart,
  MAX_BCRYPT_COST,
  MIN_BCRYPT_COST,
  parseStoredHash,
  type StoredHash,
} from './stored-hash.ts';

/** A password in the form in which the database stores it. */
export interface StoredPassword {
  /** bcrypt in crypt(3) form, or a PHC string of Argon2id, PBKDF2 or scrypt, with salt and cost. */
  hash: string;
  /** The pepper with which the password was keyed first; null for a plain hash of another system. */
  pepperId: string | null;
}

export interface PasswordHasherOptions extends HashQueueOptions {
  /** The scheme of new hashes. All schemes are always verified. */
  scheme: 'bcrypt' | 'argon2id';
  /** log2 of the rounds of new bcrypt hashes, 4 to 16. */
  bcryptCost: number;
  /** Keys that are not in the database (SP 800-63B-4 section 3.1.1.2: keyed hashing). */
  peppers: Keyring;
}

/**
 * Limit of the padding of failed comparisons: a stored hash counts up to this multiple of the configured cost. It
 * covers bcrypt at cost 12 after a change to Argon2id, and bcrypt lowered by two steps. Above it, the padding would
 * cost more than it protects: one imported hash of cost 16 would make every failed login take four seconds.
 */
const MAX_PADDING_FACTOR = 5;

/**
 * Hashes and verifies passwords in worker threads, so that neither the event loop nor libuv's pool waits for them.
 *
 * A password is NFKC-normalised (SP 800-63B-4 section 3.1.1.2) and keyed with HMAC-SHA-256 under a pepper. The base64
 * of the result (44 characters) is hashed. So bcrypt cuts nothing off at 72 bytes, no NUL byte ends the password early,
 * and the password itself never reaches a worker.
 *
 * Imported plain hashes are verified with the password as typed, since the other system hashed that. bcrypt truncates
 * it, so verify() refuses passwords that would be truncated.
 */
export class PasswordHasher {
  readonly #options: PasswordHasherOptions;
  readonly #writing: Key;
  /** The cost to which comparisons are padded when their answer must not reveal anything. */
  #target: StoredHash;
  /** Compared when the account does not exist. */
  #decoy: string;
  readonly #queue: HashQueue;
  /**
   * @throws RangeError for a cost, number of threads or queue out of bounds.
   */
  constructor(options: PasswordHasherOptions) {
    requireInteger('bcryptCost', options.bcryptCost, MIN_BCRYPT_COST, MAX_BCRYPT_COST);
    this.#queue = new HashQueue(options);
    this.#options = options;
    this.#writing = options.peppers[0];
    this.#target = currentCost(options.scheme, options.bcryptCost);
    this.#decoy = decoyHash(this.#target);
  }

  /**
   * Hashes under the configured scheme and cost and the first pepper.
   *
   * @throws ServiceUnavailable at once when the queue is full, or when the hasher is closed or out of time.
   * @throws RangeError for a password that passwordSizeProblem refuses: callers check that first.
   */
  async hash(password: string, asker: Asker = {}): Promise<StoredPassword> {
    requireSize(password);
    const hash = await this.#queue.run<string>('hash', this.#hashJob(password), asker);
    return { hash, pepperId: this.#writing.id };
  }

  /**
   * Whether the password belongs to the stored one. A failed comparison takes the time of the target cost (see `padTo`)
   * and one turn in the queue, for every stored hash, and for null, which means no account or no password. So the
   * duration reveals nothing (ASVS 6.3.8).
   *
   * A plain hash never matches a password that its scheme cannot distinguish from others (`isToldApart`). Otherwise a
   * password with a wrong end would sign in, and would then become the password.
   *
   * @param matchShows whether the client learns of a match. Then a match is not padded, and an outdated hash is
   * replaced in the same turn: `rehashed`.
   * @returns `outdated` when the scheme differs, the cost is lower, or the pepper is not the first one. Only ever true
   * together with `matches`.
   * @throws ServiceUnavailable as hash() does.
   * @throws RangeError as hash() does.
   * @throws Error when the stored hash is malformed or its pepper is not configured: faults, not wrong passwords.
   */
  async verify(
    password: string,
    stored: StoredPassword | null,
    { matchShows = false, ...asker }: { matchShows?: boolean } & Asker = {},
  ): Promise<{ matches: boolean; outdated: boolean; rehashed?: StoredPassword }> {
    requireSize(password);
    const known = stored && this.#read(stored, password);
    const rehash = known?.isOutdated && matchShows ? this.#hashJob(password) : null;
    const job: VerifyJob = {
      hash: known?.hash ?? this.#decoy,
      secret: known?.secret ?? keyed(password, this.#writing),
      target: this.#target,
      matchShows,
      rehash,
    };
    const { matches, rehashed } = await this.#queue.run<Verified>('verify', job, asker);
    if (!known || !matches) return { matches: false, outdated: false };
    return {
      matches,
      outdated: known.isOutdated,
      ...(rehashed !== null && { rehashed: { hash: rehashed, pepperId: this.#writing.id } }),
    };
  }

  /**
   * Raises the time of failed comparisons to that of the most expensive of these stored hashes, so that a longer time
   * does not reveal their accounts. Hashes that cost more than MAX_PADDING_FACTOR times the configured cost are
   * skipped, and their accounts answer later. Malformed hashes are skipped too.
   */
  padTo(hashes: readonly string[]): void {
    for (const hash of hashes) {
      try {
        this.#raiseTarget(parseStoredHash(hash));
      } catch {
        // verify() reports it as a fault.
      }
    }
  }

  /** The current cost of a failed comparison. */
  get failureCost(): StoredHash {
    return this.#target;
  }

  #raiseTarget(cost: StoredHash): void {
    const { scheme, bcryptCost } = this.#options;
    const most = MAX_PADDING_FACTOR * approximateRounds(currentCost(scheme, bcryptCost));
    const rounds = approximateRounds(cost);
    if (rounds <= approximateRounds(this.#target) || rounds > most) return;
    this.#target = cost;
    this.#decoy = decoyHash(cost);
  }

  /** @returns null when the password cannot be compared with the hash. */
  #read({ hash, pepperId }: StoredPassword, password: string) {
    const cost = parseStoredHash(hash);
    // Covers an import of more expensive hashes after the start of this process.
    this.#raiseTarget(cost);
    if (pepperId === null && !isToldApart(cost, password)) return null;
    const secret = pepperId === null ? password : keyed(password, this.#pepper(pepperId));
    return { hash, secret, isOutdated: pepperId !== this.#writing.id || this.#isWeaker(cost) };
  }

  knowsPepper(id: string): boolean {
    return findKey(this.#options.peppers, id) !== undefined;
  }

  /** Ends the worker threads: see HashQueue. */
  close(): Promise<void> {
    return this.#queue.close();
  }

  #pepper(id: string): Key {
    const pepper = findKey(this.#options.peppers, id);
    if (pepper === undefined) {
      throw new Error(
        `A stored password was keyed with the pepper "${id}", which PASSWORD_PEPPER no longer lists. Add it back after the current one.`,
      );
    }
    return pepper;
  }

  #hashJob(password: string): HashJob {
    const { scheme, bcryptCost } = this.#options;
    return { scheme, bcryptCost, secret: keyed(password, this.#writing) };
  }

  #isWeaker(stored: StoredHash): boolean {
    const { scheme, bcryptCost } = this.#options;
    if (stored.scheme === 'bcrypt') {
      return scheme !== 'bcrypt' || stored.cost < bcryptCost;
    }
    if (stored.scheme !== 'argon2id') return true;
    return scheme !== 'argon2id' || stored.memoryKib < ARGON2_MEMORY_KIB || stored.passes < ARGON2_PASSES;
  }
}

/** 44 characters of base64 for any password (RFC 2104; RFC 4648 section 4). */
function keyed(password: string, { secret }: Key): string {
  return createHmac('sha256', secret).update(password.normalize('NFKC'), 'utf8').digest('base64');
}

function requireSize(password: string): void {
  if (passwordSizeProblem(password) !== null) {
    throw new RangeError('The password must pass passwordSizeProblem before it is hashed.');
  }
}
