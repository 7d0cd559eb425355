import type { Logger } from '../../platform/logger.ts';
import type { WorkersHealth } from '../../platform/telemetry/index.ts';
import { SHUTDOWN_TIMEOUT } from '../gateway-process.ts';
import { WorkerFailed, type WorkerProcess } from './worker-process.ts';

/** Milliseconds for a worker to become ready. A start takes about two seconds. */
const START_TIMEOUT = 60_000;
/** Milliseconds that a worker must have been ready to be started again at once when it ends. */
const STEADY = 10_000;
/**
 * Milliseconds before a worker that ended sooner is started again. The pause doubles each time, up to the longest.
 */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** The place of one worker. */
interface Seat {
  readonly number: number;
  current: WorkerProcess | undefined;
  /** How many workers of this seat, one after the other, ended before they were ready for `STEADY`. */
  failures: number;
  restart: NodeJS.Timeout | undefined;
}

export interface WorkersOptions {
  readonly count: number;
  readonly fork: (number: number) => WorkerProcess;
  readonly log: Logger;
  /** Called when a worker has ended. */
  readonly onEnd: (worker: WorkerProcess) => void;
}

/** Keeps a number of workers running, and replaces them. */
export class Workers {
  private readonly seats: readonly Seat[];
  private readonly running = new Set<WorkerProcess>();
  private rolling: Promise<void> | undefined;
  private rollsAgain = false;
  private isStopping = false;

  constructor(private readonly options: WorkersOptions) {
    this.seats = Array.from({ length: options.count }, (_, index) => ({
      number: index + 1,
      current: undefined,
      failures: 0,
      restart: undefined,
    }));
  }

  /**
   * Starts all workers. The first one starts alone, so that a mistake in the settings is reported once.
   * @throws {WorkerFailed} when one of them does not start.
   */
  async start(): Promise<void> {
    const [first, ...others] = this.seats;
    for (const seats of [[first], others]) {
      await Promise.all(
        seats.map(async (seat) => {
          if (!seat || this.isStopping) return;
          seat.current = await this.startOne(seat.number);
          this.watch(seat, seat.current);
        }),
      );
    }
  }

  get processes(): readonly WorkerProcess[] {
    return [...this.running];
  }

  health(): WorkersHealth {
    const workers = { starting: 0, ready: 0, stopping: 0, silent: 0 };
    for (const worker of this.running) {
      const isSilent = worker.isSilent && worker.state === 'ready';
      workers[isSilent ? 'silent' : worker.state] += 1;
    }
    return { isReady: !this.isStopping && workers.ready > 0, workers };
  }

  /**
   * Replaces all workers, one after the other. A replacement must be ready before its predecessor retires. One that does
   * not get ready ends the roll, and the predecessor stays. A call during a roll starts another one after it.
   */
  roll(): void {
    if (this.rolling) {
      this.rollsAgain = true;
      return;
    }
    this.rolling = this.rollAll().finally(() => {
      this.rolling = undefined;
      if (!this.rollsAgain || this.isStopping) return;
      this.rollsAgain = false;
      this.roll();
    });
  }

  /** Lets all workers report that they are not ready, waits, and ends them after the requests in flight. */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const { restart } of this.seats) clearTimeout(restart);
    const serving = this.processes.filter(({ state }) => state !== 'starting');
    for (const worker of serving) worker.drain();
    await Promise.all(serving.map(({ drained }) => drained));
  }

  /** Ends all workers: first in order, and after some time by force. */
  async close(): Promise<void> {
    this.isStopping = true;
    for (const { restart } of this.seats) clearTimeout(restart);
    for (const worker of this.running) worker.close();
    await this.endedWithin(this.processes, SHUTDOWN_TIMEOUT);
  }

  private async rollAll(): Promise<void> {
    const { log } = this.options;
    log.info('the workers are replaced, one after the other');
    for (const seat of this.seats) {
      if (this.isStopping) return;
      try {
        await this.replace(seat);
      } catch (error) {
        if (this.isStopping) return;
        const reason = error instanceof Error ? error.message : String(error);
        log.error(
          { worker: seat.number, reason },
          'a replacement did not start: the other workers stay as they are',
        );
        return;
      }
    }
    log.info('all workers were replaced');
  }

  private async replace(seat: Seat): Promise<void> {
    const replacement = await this.startOne(seat.number);
    clearTimeout(seat.restart);
    const { current: predecessor } = seat;
    seat.current = replacement;
    seat.failures = 0;
    this.watch(seat, replacement);
    if (!predecessor || !this.running.has(predecessor)) return;
    predecessor.retire();
    await this.endedWithin([predecessor], SHUTDOWN_TIMEOUT);
  }

  /** @throws {WorkerFailed} when it ends, or needs too long, before it is ready. */
  private async startOne(number: number): Promise<WorkerProcess> {
    const worker = this.options.fork(number);
    this.running.add(worker);
    void worker.ended.then(() => {
      this.running.delete(worker);
      this.options.onEnd(worker);
    });
    const timer = setTimeout(() => worker.kill(), START_TIMEOUT);
    await worker.ready.finally(() => clearTimeout(timer));
    this.options.log.info({ worker: number, pid: worker.pid }, 'a worker is ready');
    return worker;
  }

  /** Starts the worker again when it ends without being asked to. */
  private watch(seat: Seat, worker: WorkerProcess): void {
    void worker.ended.then((end) => {
      if (seat.current !== worker || this.isStopping) return;
      const steady = performance.now() - (worker.readyAt ?? performance.now()) > STEADY;
      seat.failures = steady ? 0 : seat.failures + 1;
      this.options.log.error({ worker: seat.number, pid: worker.pid, ...end }, 'a worker ended by itself');
      this.restart(seat);
    });
  }

  private restart(seat: Seat): void {
    const pause = seat.failures === 0 ? 0 : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (seat.failures - 1));
    seat.restart = setTimeout(async () => {
      const previous = seat.current;
      try {
        const worker = await this.startOne(seat.number);
        // A roll may have filled the seat meanwhile.
        if (seat.current !== previous) return worker.retire();
        seat.current = worker;
        this.watch(seat, worker);
      } catch (error) {
        if (this.isStopping || seat.current !== previous) return;
        seat.failures += 1;
        const reason = error instanceof WorkerFailed ? error.message : String(error);
        this.options.log.error({ worker: seat.number, reason }, 'a worker did not start: it is tried again');
        this.restart(seat);
      }
    }, pause);
  }

  /** Waits until these workers have ended, and kills those that take too long. */
  private async endedWithin(workers: readonly WorkerProcess[], milliseconds: number): Promise<void> {
    const timer = setTimeout(() => {
      for (const worker of workers) worker.kill();
    }, milliseconds);
    await Promise.all(workers.map(({ ended }) => ended));
    clearTimeout(timer);
  }
}
