import { AsyncLocalStorage } from 'node:async_hooks';

/** Where the deadline of an operation is kept: what its statements see without every function passing it on. */
const deadlines = new AsyncLocalStorage<number>();

/**
 * Runs an operation whose statements end with it: once the time is over the running one is cancelled in PostgreSQL
 * and further ones are refused, so that a reply comes and nothing goes on behind it.
 */
export const withinDeadline = <T>(milliseconds: number, work: () => T): T =>
  deadlines.run(performance.now() + milliseconds, work);

/**
 * Runs work that is not the operation's own although it begins there: what others wait for too, what goes on afterwards,
 * and what notes a thing done elsewhere that cannot be taken back. A timer or a promise carries the deadline of where it
 * was made.
 */
export const outsideDeadline = <T>(work: () => T): T => deadlines.run(Number.POSITIVE_INFINITY, work);

/** Milliseconds that are left to the operation that asks; infinite outside of one. */
export const timeLeft = (): number => (deadlines.getStore() ?? Number.POSITIVE_INFINITY) - performance.now();
