import type { EntityManager } from '@mikro-orm/postgresql';
import { outsideDeadline } from '../platform/database/index.ts';
import type { Caller } from '../platform/request/index.ts';
import type { SessionStore, Sighting } from './session-store.ts';

/** Milliseconds for which sightings are collected before they are written. */
const COLLECT = 200;
/** Sightings that one call of the store writes. */
const BATCH = 100;
/** Sessions of which the latest sighting is remembered, so that each generation is written once: as many as access tokens. */
const MAX_REMEMBERED = 5_000;
/** Sightings that may wait. Beyond, new ones are dropped: they may be late or missing, a request may not wait. */
const MAX_WAITING = 10_000;

interface Remembered {
  readonly generation: number;
  /** Whether a second attempt is left: the row may have been locked during the first. */
  attempts: number;
}

/**
 * Notes in the session store that an access token of a generation came back, behind the requests and as well as it can. The
 * refresh contract needs it: once something of the successor was used, a late predecessor is a copy.
 */
export class GenerationSightings {
  /** By session; the one seen longest ago first. */
  private readonly remembered = new Map<string, Remembered>();
  private readonly waiting = new Map<string, Sighting>();
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  private stopped = false;

  /** @param fork gives an EntityManager for writes in the background */
  constructor(
    private readonly fork: () => EntityManager,
    private readonly store: SessionStore,
  ) {}

  /** Called with every verified access token, so it must cost next to nothing. The first generation has no predecessor. */
  note({ userId, sessionId, generation }: Pick<Caller, 'userId' | 'sessionId' | 'generation'>): void {
    if (generation === null || generation === 0) return;
    const known = this.remembered.get(sessionId);
    if ((known && known.generation >= generation) || this.waiting.size >= MAX_WAITING || this.stopped) return;
    this.remembered.delete(sessionId);
    this.remembered.set(sessionId, { generation, attempts: 2 });
    if (this.remembered.size > MAX_REMEMBERED) {
      const [oldest] = this.remembered.keys();
      if (oldest !== undefined) this.remembered.delete(oldest);
    }
    this.waiting.set(sessionId, { userId, sessionId, generation });
    this.schedule();
  }

  /** Whether this process saw the generation, also when that is not written yet. */
  has(sessionId: string, generation: number): boolean {
    return (this.remembered.get(sessionId)?.generation ?? -1) >= generation;
  }

  /** What still waits is dropped: it is worth less than a stop in time. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    this.waiting.clear();
    await this.writing;
  }

  private schedule(): void {
    if (this.timer || this.writing || this.stopped || this.waiting.size === 0) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      // It is not part of the request in which the timer was set.
      this.writing = outsideDeadline(() => this.write()).finally(() => {
        this.writing = undefined;
        this.schedule();
      });
    }, COLLECT);
    this.timer.unref();
  }

  private async write(): Promise<void> {
    const sightings = [...this.waiting.values()];
    this.waiting.clear();
    for (let from = 0; from < sightings.length && !this.stopped; from += BATCH) {
      const batch = sightings.slice(from, from + BATCH);
      const written = await this.store.markSeen(this.fork(), batch).catch((): Sighting[] => []);
      for (const sighting of batch) if (!written.includes(sighting)) this.retry(sighting);
    }
  }

  /** An old generation, or one that another process noted, fails once more and is left alone. */
  private retry(sighting: Sighting): void {
    const known = this.remembered.get(sighting.sessionId);
    if (known?.generation !== sighting.generation) return;
    known.attempts -= 1;
    if (known.attempts > 0) this.waiting.set(sighting.sessionId, sighting);
  }
}
