/** Milliseconds by which a timer may be late although the event loop did not stall. */
const USUAL_LATENESS = 50;

/**
 * Bounds the wait for `work`. Time in which this process stalled does not count against the other side. A busy event
 * loop runs its timers before it reads its sockets, so an answer that has arrived is read first. Work that needs
 * another round trip gets the time of the stall in addition, at most the given milliseconds.
 * @throws when `work` has not ended in time; it goes on, and its result is ignored.
 */
export async function withTimeout<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    const late = () => reject(new Error(`no answer within ${milliseconds} ms`));
    const due = performance.now() + milliseconds;
    timer = setTimeout(() => {
      const lost = performance.now() - due;
      const extension = lost > USUAL_LATENESS ? Math.min(lost, milliseconds) : 0;
      timer = setTimeout(() => setImmediate(late), extension);
    }, milliseconds);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
