/** Milliseconds of waiting that are allowed in a queue that stands, where a hash takes less than that. */
const STANDING_WAIT = 1_000;
/** Milliseconds for which a queue may be longer than that before it counts as standing: a burst is over by then. */
const BURST = 5_000;

/**
 * Tells a burst from overload. A burst of sign-ins may wait for as long as a client waits for an answer. Where more keep coming than
 * can be served, the queue never empties, and its length helps nobody: each sign-in waits longer, and the last one waits long
 * after the load has ended. CoDel (RFC 8289) draws the same line for packets.
 */
export class StandingQueue {
  private longSince: number | undefined;

  /**
   * @param maxWait milliseconds that may be waited in a burst
   * @param now milliseconds of a monotonic clock
   */
  constructor(
    private readonly maxWait: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /**
   * Milliseconds that the next one may have to wait, or it is refused.
   * @param expected milliseconds that it would wait now; 0 where it would not wait
   * @param run milliseconds that a job takes: one may wait for each thread, or the threads idle on a slow machine
   */
  allowedWait(expected: number, run: number): number {
    const standingWait = Math.max(STANDING_WAIT, run);
    if (expected === 0) this.longSince = undefined;
    else if (expected > standingWait) this.longSince ??= this.now();
    const stands = this.longSince !== undefined && this.now() - this.longSince > BURST;
    return stands ? Math.min(standingWait, this.maxWait) : this.maxWait;
  }
}
