/** Milliseconds of waiting that are allowed in a standing queue, unless a hash takes longer. */
const STANDING_WAIT = 1_000;
/**
 * Milliseconds for which the wait may be longer than that before the queue counts as standing. A burst is over by then.
 */
const BURST = 5_000;

/**
 * Distinguishes a burst from overload. In a burst, sign-ins may wait for as long as a client waits for an answer. When
 * more sign-ins arrive than can be served, the queue never empties and a long queue has no use: each sign-in waits
 * longer, even long after the load has ended. CoDel (RFC 8289) makes the same distinction for packets.
 */
export class StandingQueue {
  private longSince: number | undefined;

  /**
   * @param maxWait milliseconds of waiting that are allowed in a burst
   * @param now milliseconds of a monotonic clock
   */
  constructor(
    private readonly maxWait: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /**
   * Milliseconds that the next job may wait; beyond that it is refused.
   * @param expected milliseconds that it would wait now; 0 when it would not wait
   * @param run milliseconds that a job takes: one job may wait for each thread, or the threads would idle on a slow
   * machine
   */
  allowedWait(expected: number, run: number): number {
    const standingWait = Math.max(STANDING_WAIT, run);
    if (expected === 0) this.longSince = undefined;
    else if (expected > standingWait) this.longSince ??= this.now();
    const stands = this.longSince !== undefined && this.now() - this.longSince > BURST;
    return stands ? Math.min(standingWait, this.maxWait) : this.maxWait;
  }
}
