/** Milliseconds by which a timer may be late without the event loop having stood still. */
const USUAL_LATENESS = 50;

/**
 * Bounds how long `work` is waited for. Time in which this process stood still does not count against the other side: an
 * event loop that was busy runs its timers before it reads its sockets, so an answer that has arrived is read first, and
 * what needs another round trip gets the lost time once more, up to the same number of milliseconds.
 * @throws when `work` has not ended within the milliseconds; what it does goes on unheard.
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
