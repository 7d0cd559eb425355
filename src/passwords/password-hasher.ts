import { createHmac } from 'node:crypto';
import { extname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { timeLeft } from '../platform/database/index.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import { FifoSemaphore, type Line } from '../platform/fifo-semaphore.ts';
import { findKey, type Key, type Keyring } from '../platform/keyring.ts';
import { single, tracing } from '../platform/telemetry/index.ts';
import type { HashJob, Verified, VerifyJob } from './hash-worker.ts';
import { hashQueueLength, hashSeconds } from './metrics.ts';
import { passwordSizeProblem } from './password-size.ts';
import { StandingQueue } from './standing-queue.ts';
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

export interface PasswordHasherOptions {
  /** The scheme of new hashes. All schemes are always verified. */
  scheme: 'bcrypt' | 'argon2id';
  /** log2 of the rounds of new bcrypt hashes, 4 to 16. */
  bcryptCost: number;
  /** Keys that are not in the database (SP 800-63B-4 section 3.1.1.2: keyed hashing). */
  peppers: Keyring;
  /** Worker threads, at least 1, all started at construction. */
  threads: number;
  /** Jobs that may wait for a thread. Further ones are refused at once. */
  queue: number;
  /** Waiting places that only a `reserved` job may take; 0 by default. */
  reserved?: number;
  /**
   * Milliseconds. A job with a longer expected wait is also refused at once. The expectation follows from the current
   * duration of jobs. During overload, jobs in the open line get less (standing-queue.ts).
   */
  maxWaitMs: number;
}

/** The party for which a job runs. */
export interface Asker {
  /**
   * Whether the job may wait in a reserved place. True for a known device of the account, a signed-in caller or the
   * holder of a mailed link, so that a flood by strangers does not delay it.
   */
  readonly reserved?: boolean;
}

/** Nothing was hashed or compared, so the caller has learned nothing. A guess should then be refunded. */
export class NotHashed extends ServiceUnavailable {}

/**
 * Milliseconds from request to answer at most, waiting included, even without an operation deadline. It frees a thread
 * that hangs.
 */
const JOB_TIMEOUT_MS = 15_000;

/** Milliseconds that close() grants to jobs already accepted. */
const CLOSE_TIMEOUT_MS = 5_000;

/**
 * Jobs over which the duration is smoothed. A match takes less than a wrong password when some stored hashes are more
 * expensive.
 */
const RUNS_REMEMBERED = 4;

/**
 * Limit of the padding of failed comparisons: a stored hash counts up to this multiple of the configured cost. It
 * covers bcrypt at cost 12 after a change to Argon2id, and bcrypt lowered by two steps. Above it, the padding would
 * cost more than it protects: one imported hash of cost 16 would make every failed login take four seconds.
 */
const MAX_PADDING_FACTOR = 5;

/** Seconds: the longest retry time that a refused client is told. */
const MAX_RETRY_AFTER_SECONDS = 10;

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
  readonly #pool: Piscina<HashJob | VerifyJob, string | Verified>;
  readonly #semaphore: FifoSemaphore;
  readonly #openQueue: StandingQueue;
  readonly #accepted = new Set<Promise<unknown>>();
  /** Aborted when no more jobs are accepted. */
  readonly #closing = new AbortController();
  /** Aborted when accepted jobs are cancelled. */
  readonly #ended = new AbortController();
  /** Milliseconds on a thread, smoothed over the last few jobs. Starts with an estimate. */
  #runMs = 250;

  /**
   * @throws RangeError for a cost, number of threads or queue out of bounds.
   */
  constructor(options: PasswordHasherOptions) {
    requireInteger('bcryptCost', options.bcryptCost, MIN_BCRYPT_COST, MAX_BCRYPT_COST);
    requireInteger('threads', options.threads, 1, 256);
    requireInteger('queue', options.queue, 0, 1_000_000);
    requireInteger('reserved', options.reserved ?? 0, 0, options.queue);
    this.#options = options;
    this.#writing = options.peppers[0];
    this.#target = currentCost(options.scheme, options.bcryptCost);
    this.#decoy = decoyHash(this.#target);
    this.#semaphore = new FifoSemaphore({
      places: options.threads,
      queue: options.queue,
      reserved: options.reserved ?? 0,
    });
    hashQueueLength.readBy(() => single(this.#semaphore.waiting));
    this.#openQueue = new StandingQueue(options.maxWaitMs);
    this.#pool = new Piscina({
      // Node strips the types of src/hash-worker.ts when it loads it, and loads dist/hash-worker.js unchanged.
      filename: fileURLToPath(new URL(`./hash-worker${extname(import.meta.url)}`, import.meta.url)),
      name: 'verify',
      minThreads: options.threads,
      maxThreads: options.threads,
      // Flags such as --import of a tracer or --inspect are only for the main thread.
      execArgv: [],
      recordTiming: false,
    });
    // A worker that dies rejects its job. Without a listener, its error event would end the process.
    this.#pool.on('error', () => {});
  }

  /**
   * Hashes under the configured scheme and cost and the first pepper.
   *
   * @throws ServiceUnavailable at once when the queue is full, or when the hasher is closed or out of time.
   * @throws RangeError for a password that passwordSizeProblem refuses: callers check that first.
   */
  async hash(password: string, asker: Asker = {}): Promise<StoredPassword> {
    requireSize(password);
    const hash = await this.#run<string>('hash', this.#hashJob(password), asker);
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
    const { matches, rehashed } = await this.#run<Verified>('verify', job, asker);
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

  /**
   * Ends the worker threads. Accepted jobs get 5 s; later ones, and those that are left then, get ServiceUnavailable.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.race([
      Promise.allSettled(this.#accepted),
      setTimeout(CLOSE_TIMEOUT_MS, undefined, { ref: false }),
    ]);
    this.#ended.abort();
    await this.#pool.destroy();
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

  async #run<Result extends string | Verified>(
    name: 'hash' | 'verify',
    job: HashJob | VerifyJob,
    { reserved = false }: Asker,
  ): Promise<Result> {
    const line = reserved ? 'reserved' : 'open';
    if (this.#closing.signal.aborted) {
      throw new NotHashed({ detail: 'The password hasher is closed.' });
    }
    if (this.#semaphore.isFull(line) || this.#wouldWaitTooLong(line)) {
      throw this.#refusal(line, `${this.#semaphore.waiting} password hashing jobs are waiting already.`);
    }
    const result = this.#take(name, job, line);
    this.#accepted.add(result);
    try {
      return (await result) as Result;
    } finally {
      this.#accepted.delete(result);
    }
  }

  async #take(name: 'hash' | 'verify', job: HashJob | VerifyJob, line: Line): Promise<string | Verified> {
    const allowedMs = Math.max(0, Math.min(JOB_TIMEOUT_MS, timeLeft()));
    const deadline = timeout(allowedMs);
    // A job that waits longer would end after the deadline, and would delay others meanwhile.
    const tooLate = timeout(allowedMs - this.#runMs);
    const turn = AbortSignal.any([tooLate, this.#ended.signal]);
    const waited = tracing().span('password hash queue', 'internal', {}, () =>
      this.#semaphore.enter(turn, line),
    );
    await waited.catch(() => {
      throw this.#refusal(line, 'No thread was free in time.');
    });
    try {
      const begun = performance.now();
      try {
        const signal = AbortSignal.any([deadline, this.#ended.signal]);
        return await tracing().span('password hash', 'internal', { 'gatehouse.hash.kind': name }, () =>
          this.#pool.run(job, { name, signal }),
        );
      } finally {
        this.#semaphore.leave();
        hashSeconds.observeSince(begun, {});
        this.#runMs += (performance.now() - begun - this.#runMs) / RUNS_REMEMBERED;
      }
    } catch (cause) {
      if (deadline.aborted) {
        const detail = `Password hashing took more than the ${Math.round(allowedMs)} ms that were left.`;
        throw new ServiceUnavailable({ detail, retryAfterSeconds: this.#secondsUntilFree(line) });
      }
      if (this.#ended.signal.aborted) {
        throw new ServiceUnavailable({ detail: 'The password hasher was closed meanwhile.' });
      }
      throw new Error('A password hashing job failed.', { cause });
    }
  }

  #wouldWaitTooLong(line: Line): boolean {
    const expected = this.#expectedWaitMs(line);
    const allowed =
      line === 'open' ? this.#openQueue.allowedWait(expected, this.#runMs) : this.#options.maxWaitMs;
    return expected > allowed;
  }

  /** Expected wait of a job that comes now, in milliseconds. */
  #expectedWaitMs(line: Line): number {
    return (this.#semaphore.ahead(line) * this.#runMs) / this.#options.threads;
  }

  #refusal(line: Line, detail: string): NotHashed {
    return new NotHashed({ detail, retryAfterSeconds: this.#secondsUntilFree(line) });
  }

  /** Seconds until the jobs that wait now have had their turn. */
  #secondsUntilFree(line: Line): number {
    return Math.min(Math.max(Math.ceil(this.#expectedWaitMs(line) / 1000), 1), MAX_RETRY_AFTER_SECONDS);
  }
}

/** Fires after so many milliseconds, at once for a negative number. */
const timeout = (ms: number): AbortSignal => AbortSignal.timeout(Math.max(0, Math.ceil(ms)));

/** 44 characters of base64 for any password (RFC 2104; RFC 4648 section 4). */
function keyed(password: string, { secret }: Key): string {
  return createHmac('sha256', secret).update(password.normalize('NFKC'), 'utf8').digest('base64');
}

function requireInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}.`);
  }
}

function requireSize(password: string): void {
  if (passwordSizeProblem(password) !== null) {
    throw new RangeError('The password must pass passwordSizeProblem before it is hashed.');
  }
}
