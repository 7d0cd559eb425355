import { setTimeout as delay } from 'node:timers/promises';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { Completion, SignInCompletions } from './sign-in-completions.ts';

/** Milliseconds between two looks at the table. */
const POLL = 2_000;
/** Completions that one process works on at a time: a Blockpass that hangs takes five seconds for each. */
const HANDS = 4;
/** Milliseconds for what is under way at a shutdown; then another process goes on when its lease is over. */
const STOP_PATIENCE = 3_000;

/** Makes the attempts that are due. Every process has one. */
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
      // The database is away: logged once, not with every look.
      if (!this.away) this.warn('sign-ins by Blockpass that wait could not be read', error);
      this.away = true;
    }
  }

  /** Works until nothing is due. */
  private async work(first?: Completion): Promise<void> {
    let completion = first ?? (await this.completions.claim(this.fork()));
    while (completion) {
      await this.completions.attempt(this.fork(), completion);
      completion = this.stopped ? undefined : await this.completions.claim(this.fork());
    }
  }
}
