import { extname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { timeLeft } from '../platform/database/index.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import { FifoSemaphore, type Line } from '../platform/fifo-semaphore.ts';
import { single, tracing } from '../platform/telemetry/index.ts';
import type { HashJob, Verified, VerifyJob } from './hash-worker.ts';
import { hashQueueLength, hashSeconds } from './metrics.ts';
import { StandingQueue } from './standing-queue.ts';

export interface HashQueueOptions {
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

/** Seconds: the longest retry time that a refused client is told. */
const MAX_RETRY_AFTER_SECONDS = 10;

/** The worker threads that hash, and the bounded queue of the jobs that wait for one. */
export class HashQueue {
  readonly #options: HashQueueOptions;
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

  /** @throws RangeError for a number of threads or a queue out of bounds. */
  constructor(options: HashQueueOptions) {
    requireInteger('threads', options.threads, 1, 256);
    requireInteger('queue', options.queue, 0, 1_000_000);
    requireInteger('reserved', options.reserved ?? 0, 0, options.queue);
    this.#options = options;
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
   * Runs a job on a thread, when its turn comes.
   * @throws NotHashed at once when the queue is full, the wait would be too long or the threads are closed; later when no
   * thread was free in time.
   * @throws ServiceUnavailable when the job did not end in time, or the threads were closed meanwhile.
   */
  async run<Result extends string | Verified>(
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

  /**
   * Ends the worker threads. Accepted jobs get 5 s. Later jobs, and jobs that are not done by then, get
   * ServiceUnavailable.
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

/** @throws RangeError unless the value is a whole number within the bounds. */
export function requireInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}.`);
  }
}
