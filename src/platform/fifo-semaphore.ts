/** `reserved` may wait in a reserved place; `open` may not. */
export type Line = 'open' | 'reserved';

/**
 * Admits a fixed number at a time. The others wait in the order of arrival, up to a limit. Piscina's own queue serves
 * waiting jobs out of order, so that under load some of them time out.
 *
 * Some places in the queue may be reserved. Jobs in them form a line of their own, and the two lines alternate, so
 * neither can delay the other by more than one turn for each of its jobs.
 */
export class FifoSemaphore {
  readonly #places: number;
  /** A set keeps the order of arrival and allows removals from the middle. */
  readonly #waiting: Readonly<Record<Line, Set<() => void>>> = { open: new Set(), reserved: new Set() };
  readonly #room: Readonly<Record<Line, number>>;
  #inside = 0;
  #servedLast: Line = 'open';

  /** `places` is at least 1. `queue` is how many may wait, at least 0; `reserved` of them wait in the reserved line. */
  constructor({ places, queue, reserved = 0 }: { places: number; queue: number; reserved?: number }) {
    this.#places = places;
    this.#room = { open: queue - reserved, reserved };
  }

  get waiting(): number {
    return this.#waiting.open.size + this.#waiting.reserved.size;
  }

  /** Whether the next job could neither enter nor wait. */
  isFull(line: Line = 'open'): boolean {
    const joined = this.#lineFor(line);
    return this.#inside >= this.#places && this.#waiting[joined].size >= this.#room[joined];
  }

  /** How many waiting jobs would go before the next one to come. */
  ahead(line: Line = 'open'): number {
    const joined = this.#lineFor(line);
    const before = this.#waiting[joined].size;
    return before + Math.min(this.#waiting[other(joined)].size, before + 1);
  }

  /**
   * Resolves when the turn comes; call leave() afterwards. Does not check isFull.
   *
   * @throws the signal's reason when the signal aborts during the wait; the place in the queue is free then.
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

  /** Passes the place on to the job that has waited longest, alternating between the lines. */
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

  /**
   * When the reserved places are taken, a reserved job waits in the open line, so that a rush of them is not refused
   * early.
   */
  #lineFor(line: Line): Line {
    return line === 'reserved' && this.#waiting.reserved.size < this.#room.reserved ? 'reserved' : 'open';
  }
}

const other = (line: Line): Line => (line === 'open' ? 'reserved' : 'open');
