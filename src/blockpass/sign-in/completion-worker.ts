import { setTimeout as delay } from 'node:timers/promises';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Completion, SignInCompletions } from './sign-in-completions.ts';

/** Milliseconds between two queries of the table. */
const POLL = 2_000;
/** Completions that one process works on at a time. If Blockpass hangs, each takes five seconds. */
const HANDS = 4;
/** Milliseconds for running attempts at a shutdown. After that, another process takes over when the lease expires. */
const STOP_PATIENCE = 3_000;

/** Makes the attempts that are due. Every process has one worker. */
export class CompletionWorker {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private stopped = false;
  private away = false;

  constructor(
    private readonly completions: SignInCompletions,
    private readonly fork: () => EntityManager,
    private readonly warn: (message: string, error: unknown) => void,
  ) {}

  start(): void {
    this.timer = setInterval(() => {
      this.running ??= this.round().finally(() => {
        this.running = undefined;
      });
    }, POLL);
    this.timer.unref();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await Promise.race([this.running, delay(STOP_PATIENCE, undefined, { ref: false })]);
  }

  private async round(): Promise<void> {
    try {
      const first = await this.completions.claim(this.fork());
      this.away = false;
      if (first)
        await Promise.all([this.work(first), ...Array.from({ length: HANDS - 1 }, () => this.work())]);
    } catch (error) {
      // The database is unavailable. This is logged once, not after each query.
      if (!this.away) this.warn('waiting Blockpass sign-ins cannot be read', error);
      this.away = true;
    }
  }

  /** Works until no attempt is due. */
  private async work(first?: Completion): Promise<void> {
    let completion = first ?? (await this.completions.claim(this.fork()));
    while (completion) {
      await this.completions.attempt(this.fork(), completion);
      completion = this.stopped ? undefined : await this.completions.claim(this.fork());
    }
  }
}
