import type { EntityManager } from '@mikro-orm/postgresql';
import { CannotStart } from './cannot-start.ts';
import type { Clock } from './clock.ts';
import { isDatabaseAway, sql, statement } from './database/index.ts';

/** Milliseconds between two queries of the time. */
const ASK_INTERVAL = 5_000;
/** Queries before the gateway serves. A single delayed one would be imprecise. */
const FIRST_QUESTIONS = 3;
/** Greatest drift between two clocks, in milliseconds per millisecond (500 ppm, as NTP assumes). */
const DRIFT = 0.0005;
/** Milliseconds by which this machine's clock may be off before a warning is logged. */
export const TOLERATED = 5_000;
/** Milliseconds beyond which the start is refused: the operator must set the clock. */
export const REFUSED = 300_000;

/** The result of one query: the database's time is `offset` ahead of performance.now(), plus or minus `doubt`. */
interface Sample {
  readonly offset: number;
  readonly doubt: number;
  readonly at: number;
}

/**
 * The time of the database, which is the same for all processes. A machine with a wrong clock would otherwise refuse
 * the tokens that other processes issue. Between two queries it follows the monotonic clock, so a jump of the wall
 * clock has no effect. Until the first answer it is the time of this machine.
 */
export class DatabaseClock implements Clock {
  private best: Sample | undefined;
  private timer: NodeJS.Timeout | undefined;
  private wasOff = false;

  /** @param machine the clock of this machine, in milliseconds since the epoch */
  constructor(
    private readonly log: (message: string, facts: { offsetSeconds: number } | { err: unknown }) => void,
    private readonly machine: () => number = Date.now,
  ) {}

  now(): number {
    return this.best ? performance.now() + this.best.offset : this.machine();
  }

  /** Seconds by which the clock of this machine is ahead of the database's. */
  get machineOffsetSeconds(): number {
    return Math.round((this.machine() - this.now()) / 100) / 10;
  }

  /**
   * @param fork gives an EntityManager for queries in the background
   * @throws {CannotStart} when the two clocks are too far apart.
   */
  async start(fork: () => EntityManager): Promise<void> {
    await this.askFirst(fork);
    if (Math.abs(this.machineOffsetSeconds) * 1000 > REFUSED) {
      throw new CannotStart(
        `The clock of this machine is ${this.machineOffsetSeconds} s ahead of the database's. Set both by NTP, then start again.`,
      );
    }
    this.timer = setInterval(() => void this.askAgain(fork()), ASK_INTERVAL);
  }

  /** Asks the database for its time now, without repeating the query later. */
  async askFirst(fork: () => EntityManager): Promise<void> {
    for (let asked = 0; asked < FIRST_QUESTIONS; asked += 1) await this.ask(fork());
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /**
   * Takes a sample, unless the current one is more precise and agrees with it.
   * @param askedAt, answeredAt in the time of performance.now()
   */
  learn(databaseTime: number, askedAt: number, answeredAt: number): void {
    const doubt = (answeredAt - askedAt) / 2;
    const sample = { offset: databaseTime - (askedAt + answeredAt) / 2, doubt, at: answeredAt };
    const { best } = this;
    const bestDoubt = best ? best.doubt + (answeredAt - best.at) * DRIFT : Number.POSITIVE_INFINITY;
    const contradicts = best !== undefined && Math.abs(sample.offset - best.offset) > doubt + bestDoubt;
    if (contradicts || doubt <= bestDoubt) this.best = sample;
    this.report();
  }

  private async askAgain(em: EntityManager): Promise<void> {
    try {
      await this.ask(em);
    } catch (error) {
      // The time follows the monotonic clock meanwhile. Other parts report that the database is away.
      if (!isDatabaseAway(error)) this.log('the time of the database cannot be read', { err: error });
    }
  }

  private async ask(em: EntityManager): Promise<void> {
    const askedAt = performance.now();
    const [row] = await statement(
      em,
      sql<{ time: number }>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as time`,
    );
    if (row) this.learn(row.time, askedAt, performance.now());
  }

  private report(): void {
    const offsetSeconds = this.machineOffsetSeconds;
    const isOff = Math.abs(offsetSeconds) * 1000 > TOLERATED;
    if (isOff === this.wasOff) return;
    this.wasOff = isOff;
    this.log(
      isOff
        ? "the clock of this machine differs from the database's, which is the reference: set it by NTP"
        : "the clock of this machine agrees with the database's again",
      { offsetSeconds },
    );
  }
}
