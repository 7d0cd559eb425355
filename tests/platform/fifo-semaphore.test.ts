import { describe, expect, it } from '@jest/globals';
import { FifoSemaphore, type Line } from '../../src/platform/fifo-semaphore.ts';

const never = new AbortController().signal;

/** A semaphore with one place, which is taken, and a queue. */
function occupied(queue: number, reserved: number) {
  const semaphore = new FifoSemaphore({ places: 1, queue, reserved });
  const served: string[] = [];
  void semaphore.enter(never);
  return {
    semaphore,
    served,
    wait: (name: string, line?: Line, signal = never) =>
      semaphore.enter(signal, line).then(
        () => void served.push(name),
        () => {},
      ),
    async serve(count: number) {
      for (let n = 0; n < count; n += 1) {
        semaphore.leave();
        await Promise.resolve();
        await new Promise(setImmediate);
      }
    },
  };
}

describe('a semaphore with reserved places', () => {
  it('keeps them free when all others are taken', () => {
    const { semaphore, wait } = occupied(4, 1);
    for (const name of ['a', 'b', 'c']) void wait(name);
    expect([semaphore.isFull(), semaphore.isFull('reserved')]).toEqual([true, false]);
    void wait('known', 'reserved');
    expect([semaphore.isFull(), semaphore.isFull('reserved')]).toEqual([true, true]);
  });

  it('lets reserved jobs wait in the open places too', () => {
    const { semaphore, wait } = occupied(4, 1);
    for (const name of ['a', 'b', 'c']) void wait(name, 'reserved');
    expect([semaphore.waiting, semaphore.isFull('reserved')]).toEqual([3, false]);
    void wait('d', 'reserved');
    expect(semaphore.isFull('reserved')).toBe(true);
  });

  it('serves both lines in turn, each in order of arrival, and says how many are ahead', async () => {
    const { semaphore, served, wait, serve } = occupied(8, 4);
    for (const name of ['a', 'b', 'c', 'd']) void wait(name);
    expect([semaphore.ahead(), semaphore.ahead('reserved')]).toEqual([4, 1]);
    for (const name of ['K', 'L']) void wait(name, 'reserved');
    expect([semaphore.ahead(), semaphore.ahead('reserved')]).toEqual([6, 5]);
    await serve(6);
    expect(served).toEqual(['K', 'a', 'L', 'b', 'c', 'd']);
  });

  it('frees the place of a caller that gives up', async () => {
    const { semaphore, served, wait, serve } = occupied(2, 1);
    const impatience = new AbortController();
    const gaveUp = wait('K', 'reserved', impatience.signal);
    void wait('a');
    impatience.abort();
    await gaveUp;
    expect([semaphore.waiting, semaphore.isFull('reserved')]).toEqual([1, false]);
    await serve(1);
    expect(served).toEqual(['a']);
  });
});
