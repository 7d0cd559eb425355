import type { EntityManager } from '@mikro-orm/postgresql';
import { AdvisoryLock, tryLockInTransaction } from '../database/index.ts';
import { tracing } from '../telemetry/index.ts';

/** Rows of one transaction: few enough not to delay other transactions. */
const BATCH = 500;
/** Batches of one chore in a round. The remaining rows wait for the next round. */
const MAX_BATCHES = 200;
/** Milliseconds between two rounds. Each process adds up to the same again at random, so that the rounds spread. */
const INTERVAL = 5 * 60_000;

/** A periodic task of housekeeping: the removal of one kind of expired rows. */
export interface Chore {
  readonly name: string;
  /**
   * Removes at most `limit` rows.
   * @returns how many it removed.
   */
  sweep(em: EntityManager, limit: number): Promise<number>;
}

/**
 * Removes expired rows, in small batches. Every process has the chores, and the process with the lock does them. A
 * process that dies leaves no partial work behind.
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

  /** Does every chore to its end, unless another process does it. A failure is logged and retried in the next round. */
  async round(): Promise<void> {
    for (const chore of this.chores) {
      try {
        const removed = await tracing().span('housekeeping', 'root', { 'gatehouse.chore': chore.name }, () =>
          this.finish(chore),
        );
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
