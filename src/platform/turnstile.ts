/**
 * Lets a fixed number in at a time and the others wait in the order they came, up to a bound. Piscina's own queue is
 * not used because it serves waiting jobs out of order, so that under load the unlucky ones time out.
 */
export class Turnstile {
  readonly #places: number;
  readonly #queue: number;
  /** A set keeps the order of arrival and lets go from the middle. */
  readonly #waiting = new Set<() => void>();
  #inside = 0;

  /** `places` at least 1; `queue`, at least 0, is how many may wait. */
  constructor({ places, queue }: { places: number; queue: number }) {
    this.#places = places;
    this.#queue = queue;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether the next one to come could not even wait. */
  get isFull(): boolean {
    return this.#inside >= this.#places && this.#waiting.size >= this.#queue;
  }

  /**
   * Resolves when it is this one's turn; leave() must follow. Does not look at isFull.
   *
   * @throws the signal's reason when that aborts during the wait; the place in the queue is free then.
   */
  async enter(signal: AbortSignal): Promise<void> {
    if (this.#inside < this.#places) {
      this.#inside += 1;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const giveUp = () => {
      this.#waiting.delete(resolve);
      reject(signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    await promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  /** Hands the place to the one who has waited longest. */
  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#inside -= 1;
    } else {
      this.#waiting.delete(next);
      next();
    }
  }
}
