import { AsyncLocalStorage } from 'node:async_hooks';

/** Where the deadline of an operation is kept: what its statements see without every function passing it on. */
const deadlines = new AsyncLocalStorage<number>();

/**
 * Runs an operation whose statements end with it: once the time is over the running one is cancelled in PostgreSQL
 * and further ones are refused, so that a reply comes and nothing goes on behind it.
 */
export const withinDeadline = <T>(milliseconds: number, work: () => T): T =>
  deadlines.run(performance.now() + milliseconds, work);

/** Milliseconds that are left to the operation that asks; infinite outside of one. */
export const timeLeft = (): number => (deadlines.getStore() ?? Number.POSITIVE_INFINITY) - performance.now();
