import { describe, expect, it } from '@jest/globals';
import { StandingQueue } from '../../src/passwords/standing-queue.ts';

const MAX_WAIT = 7_000;
/** Milliseconds that a job takes. */
const RUN = 250;

function queueAt() {
  const clock = { now: 0 };
  return { clock, queue: new StandingQueue(MAX_WAIT, () => clock.now) };
}

describe('a queue of hashes', () => {
  it('may be as long in a burst as a client waits', () => {
    const { clock, queue } = queueAt();
    for (const expected of [500, 3_000, 6_900, 4_000, 2_000]) {
      expect(queue.allowedWait(expected, RUN)).toBe(MAX_WAIT);
      clock.now += 1_000;
    }
  });

  it('is kept short when it has been long for five seconds', () => {
    const { clock, queue } = queueAt();
    queue.allowedWait(6_000, RUN);
    clock.now = 5_001;
    expect(queue.allowedWait(6_000, RUN)).toBe(1_000);
    // This holds while arrivals exceed the capacity. A short queue that never empties does not end it.
    clock.now = 60_000;
    expect(queue.allowedWait(900, RUN)).toBe(1_000);
  });

  it('may be long again after it was empty', () => {
    const { clock, queue } = queueAt();
    queue.allowedWait(6_000, RUN);
    clock.now = 5_001;
    queue.allowedWait(6_000, RUN);
    queue.allowedWait(0, RUN);
    expect(queue.allowedWait(6_000, RUN)).toBe(MAX_WAIT);
  });

  it('never allows more than the longest wait', () => {
    const clock = { now: 0 };
    const queue = new StandingQueue(400, () => clock.now);
    queue.allowedWait(2_000, RUN);
    clock.now = 6_000;
    expect(queue.allowedWait(2_000, RUN)).toBe(400);
  });

  it('lets one job wait for each thread, however long a job takes', () => {
    const { clock, queue } = queueAt();
    queue.allowedWait(6_000, 2_000);
    clock.now = 5_001;
    expect(queue.allowedWait(2_000, 2_000)).toBe(2_000);
  });
});
