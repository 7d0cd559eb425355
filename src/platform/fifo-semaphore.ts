/** `reserved` may wait in a place that is kept for it; `open` may not. */
export type Line = 'open' | 'reserved';

/**
 * Lets a fixed number in at a time and the others wait in the order they came, up to a bound. Piscina's own queue is
 * not used because it serves waiting jobs out of order, so that under load the unlucky ones time out.
 *
 * Some of the places in the queue may be reserved. Those who wait in them form a line of their own, and the two lines go in
 * turn: neither can keep the other waiting for more than one turn each.
 */
export class FifoSemaphore {
  readonly #places: number;
  /** A set keeps the order of arrival and lets go from the middle. */
  readonly #waiting: Readonly<Record<Line, Set<() => void>>> = { open: new Set(), reserved: new Set() };
  readonly #room: Readonly<Record<Line, number>>;
  #inside = 0;
  #servedLast: Line = 'open';

  /** `places` at least 1; `queue`, at least 0, is how many may wait, `reserved` of them in the reserved line. */
  constructor({ places, queue, reserved = 0 }: { places: number; queue: number; reserved?: number }) {
    this.#places = places;
    this.#room = { open: queue - reserved, reserved };
  }

  get waiting(): number {
    return this.#waiting.open.size + this.#waiting.reserved.size;
  }

  /** Whether the next one to come could not even wait. */
  isFull(line: Line = 'open'): boolean {
    const joined = this.#lineFor(line);
    return this.#inside >= this.#places && this.#waiting[joined].size >= this.#room[joined];
  }

  /** How many of those who wait now would go before the next one to come. */
  ahead(line: Line = 'open'): number {
    const joined = this.#lineFor(line);
    const before = this.#waiting[joined].size;
    return before + Math.min(this.#waiting[other(joined)].size, before + 1);
  }

  /**
   * Resolves when it is this one's turn; leave() must follow. Does not look at isFull.
   *
   * @throws the signal's reason when that aborts during the wait; the place in the queue is free then.
   */
  async enter(signal: AbortSignal, line: Line = 'open'): Promise<void> {
    if (this.#inside < this.#places) {
      this.#inside += 1;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = this.#waiting[this.#lineFor(line)];
    waiting.add(resolve);
    const giveUp = () => {
      waiting.delete(resolve);
      reject(signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    await promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  /** Hands the place to the one who has waited longest, in each line in turn. */
  leave(): void {
    for (const line of [other(this.#servedLast), this.#servedLast]) {
      const [next] = this.#waiting[line];
      if (next === undefined) continue;
      this.#waiting[line].delete(next);
      this.#servedLast = line;
      next();
      return;
    }
    this.#inside -= 1;
  }

  /** Once the reserved places are taken, a reserved job waits in the open line: in a rush of them none is refused early. */
  #lineFor(line: Line): Line {
    return line === 'reserved' && this.#waiting.reserved.size < this.#room.reserved ? 'reserved' : 'open';
  }
}

const other = (line: Line): Line => (line === 'open' ? 'reserved' : 'open');
