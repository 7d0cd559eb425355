/** Starts `count` calls at once and waits for all of them. */
export function race<T>(count: number, call: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => call(index)));
}

/** Asks again until the answer is the wanted one. @throws when it is not within the time. */
export async function eventually<T>(
  ask: () => Promise<T>,
  wanted: (answer: T) => boolean,
  { withinMilliseconds = 10_000 } = {},
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
 * Lets time pass. The reason tells why there is nothing to wait for with `eventually`: something must not happen meanwhile, the
 * time is itself the rule, or it is the pace of a load.
 */
export function elapse(milliseconds: number, _reason: string): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
