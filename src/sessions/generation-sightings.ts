import type { EntityManager } from '@mikro-orm/postgresql';
import { outsideDeadline } from '../platform/database/index.ts';
import type { Caller } from '../platform/request/index.ts';
import type { SessionStore, Sighting } from './session-store.ts';

/** Milliseconds for which sightings are collected before they are written. */
const COLLECT = 200;
/** Sightings that one call of the store writes. */
const BATCH = 100;
/**
 * Sessions whose latest sighting is remembered, so that each generation is written once. As many as remembered access
 * tokens.
 */
const MAX_REMEMBERED = 5_000;
/**
 * Sightings that may wait. Beyond that, new ones are dropped: a sighting may be late or missing, but a request must not
 * wait.
 */
const MAX_WAITING = 10_000;

interface Remembered {
  readonly generation: number;
  /** Attempts that are left. The first may fail because the row was locked. */
  attempts: number;
}

/**
 * Records in the session store that an access token of a generation was used. It writes in the background, on a
 * best-effort basis. The refresh contract needs it: once a token of the successor was used, a late predecessor is a
 * copy.
 */
export class GenerationSightings {
  /** By session, the oldest sighting first. */
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

  /**
   * Notes the generation of a verified access token. Runs at every request, so it must be cheap. The first generation
   * has no predecessor.
   */
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

  /** Whether this process saw the generation, even if it has not been written yet. */
  has(sessionId: string, generation: number): boolean {
    return (this.remembered.get(sessionId)?.generation ?? -1) >= generation;
  }

  /** Drops the sightings that still wait: a prompt stop matters more. */
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
      // Outside the deadline of the request that set the timer.
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

  /**
   * Tries a sighting once more. A sighting of an old generation, or one that another process wrote, fails again and is
   * dropped.
   */
  private retry(sighting: Sighting): void {
    const known = this.remembered.get(sighting.sessionId);
    if (known?.generation !== sighting.generation) return;
    known.attempts -= 1;
    if (known.attempts > 0) this.waiting.set(sighting.sessionId, sighting);
  }
}
