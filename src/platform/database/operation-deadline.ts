import { AsyncLocalStorage } from 'node:async_hooks';

interface Deadline {
  /** In the time of `performance.now()`. */
  at: number;
}

/** Where the deadline of an operation is kept: what its statements see without every function passing it on. */
const deadlines = new AsyncLocalStorage<Deadline>();

/**
 * Runs an operation whose statements end with it: once the time is over the running one is cancelled in PostgreSQL
 * and further ones are refused, so that a reply comes and nothing goes on behind it.
 */
export const withinDeadline = <T>(milliseconds: number, work: () => T): T =>
  deadlines.run({ at: performance.now() + milliseconds }, work);

/**
 * Runs work that is not the operation's own although it begins there: what others wait for too, and what goes on
 * afterwards. A timer or a promise carries the deadline of where it was made.
 */
export const outsideDeadline = <T>(work: () => T): T => deadlines.run({ at: Number.POSITIVE_INFINITY }, work);

/**
 * Runs work that the operation must wait for and that must not be cut: what notes a thing done elsewhere that cannot be
 * taken back. The operation has as much time left after it as before, or its reply would call a success a failure.
 */
export async function holdingDeadline<T>(work: () => Promise<T>): Promise<T> {
  const deadline = deadlines.getStore();
  const startedAt = performance.now();
  try {
    return await outsideDeadline(work);
  } finally {
    if (deadline) deadline.at += performance.now() - startedAt;
  }
}

/** Milliseconds that are left to the operation that asks; infinite outside of one. */
export const timeLeft = (): number =>
  (deadlines.getStore()?.at ?? Number.POSITIVE_INFINITY) - performance.now();
