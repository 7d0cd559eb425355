import type { EntityManager } from '@mikro-orm/postgresql';
import { AdvisoryLock, tryLockInTransaction } from '../database/index.ts';

/** Rows of one transaction: few enough that nobody waits for it. */
const BATCH = 500;
/** Batches in a row before others get their turn again; what is left waits for the next round. */
const MAX_BATCHES = 200;
/** Milliseconds between two rounds; each process adds up to as much again at random, so that they spread. */
const INTERVAL = 5 * 60_000;

/** Something whose time is over. */
export interface Chore {
  readonly name: string;
  /** Removes at most `limit` rows. @returns how many it removed. */
  sweep(em: EntityManager, limit: number): Promise<number>;
}

/**
 * Removes what has expired, in small batches. Every process has the chores; the one that gets the lock does them,
 * and a process that dies in the middle leaves nothing half done.
 */
export class Housekeeping {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly fork: () => EntityManager,
    private readonly chores: readonly Chore[],
    private readonly log: (message: string, facts: Record<string, unknown>) => void,
  ) {}

  start(): void {
    this.timer = setTimeout(
      () => {
        this.running = this.round().then(() => {
          if (!this.stopped) this.start();
        });
      },
      INTERVAL * (1 + Math.random()),
    );
    this.timer.unref();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  /** Does every chore to its end, unless another process is at it. A failure is logged and tried again next time. */
  async round(): Promise<void> {
    for (const chore of this.chores) {
      try {
        const removed = await this.finish(chore);
        if (removed > 0) this.log('housekeeping', { chore: chore.name, removed });
      } catch (error) {
        this.log('housekeeping failed', { chore: chore.name, err: error });
      }
    }
  }

  private async finish(chore: Chore): Promise<number> {
    let total = 0;
    for (let batch = 0; batch < MAX_BATCHES && !this.stopped; batch++) {
      const removed = await this.fork().transactional(async (tx) =>
        (await tryLockInTransaction(tx, AdvisoryLock.HOUSEKEEPING)) ? chore.sweep(tx, BATCH) : 0,
      );
      total += removed;
      if (removed < BATCH) break;
    }
    return total;
  }
}
