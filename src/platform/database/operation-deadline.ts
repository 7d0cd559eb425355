import { AsyncLocalStorage } from 'node:async_hooks';

interface Deadline {
  /** In the time of `performance.now()`. */
  at: number;
}

/** The deadline of the current operation, so that functions need not pass it on. */
const deadlines = new AsyncLocalStorage<Deadline>();

/**
 * Runs an operation under a deadline. When it passes, PostgreSQL cancels the running statement and further ones are
 * refused. So the client gets a reply, and no work goes on after it.
 */
export const withinDeadline = <T>(milliseconds: number, work: () => T): T =>
  deadlines.run({ at: performance.now() + milliseconds }, work);

/**
 * Runs work without the deadline of the current operation. It is for work that other operations wait for too,
 * or that goes on after the operation. Otherwise a timer or promise keeps the deadline of the operation that
 * created it.
 */
export const outsideDeadline = <T>(work: () => T): T => deadlines.run({ at: Number.POSITIVE_INFINITY }, work);

/**
 * Runs work that the operation must wait for, without its deadline: the work records an external effect that cannot be
 * undone. The deadline then moves by the duration of the work. Otherwise the reply would report a success as a failure.
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

/** Milliseconds that are left to the current operation; infinite outside of one. */
export const timeLeft = (): number =>
  (deadlines.getStore()?.at ?? Number.POSITIVE_INFINITY) - performance.now();
