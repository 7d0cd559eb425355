/** Starts `count` calls at once and waits for all of them. */
export function race<T>(count: number, call: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => call(index)));
}

/**
 * Asks repeatedly until the answer is as wanted. The default time suits a busy machine. A rule about time names its own.
 * @throws when it is not in time.
 */
export async function eventually<T>(
  ask: () => Promise<T>,
  wanted: (answer: T) => boolean,
  { withinMilliseconds = 30_000 } = {},
): Promise<T> {
  const deadline = Date.now() + withinMilliseconds;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (Date.now() > deadline)
      throw new Error(`not within ${withinMilliseconds} ms: ${JSON.stringify(answer)}`);
    await elapse(20, 'the time between two questions');
  }
}

/**
 * Lets time pass. The reason says why `eventually` has nothing to wait for: an event must not happen, the
 * time itself is the rule, or it is the pace of a load.
 */
export function elapse(milliseconds: number, _reason: string): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
