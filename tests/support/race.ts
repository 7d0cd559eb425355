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
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
