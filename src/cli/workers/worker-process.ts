import cluster, { type Worker } from 'node:cluster';
import type { MetricsSource, Snapshot } from '../../platform/telemetry/index.ts';
import type { WorkerSeat } from '../../platform/worker-seat.ts';
import type { ToPrimary, ToWorker } from './messages.ts';
import { resetUnclaimed } from './unclaimed-connection.ts';

/** Milliseconds for the metrics of a worker. Prometheus waits 10 s for all of them. */
const METRICS_DEADLINE = 2_000;

export type WorkerState = 'starting' | 'ready' | 'stopping';

/** How a worker ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** The reason that the worker reported before it ended. */
  readonly reason: string | undefined;
}

/** One worker, as the primary sees it. */
export class WorkerProcess implements MetricsSource {
  /** Resolves when the worker listens; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the worker waited for SHUTDOWN_DELAY_SECONDS, or has ended. */
  readonly drained: Promise<void>;
  readonly ended: Promise<WorkerEnd>;
  /** The metrics that the worker sent right before it ended; undefined when it sent none. */
  last: Snapshot | undefined;
  /** In the time of performance.now(); undefined until it listens. */
  readyAt: number | undefined;
  /** Whether it answered when it was last asked for its metrics. */
  isSilent = false;
  private isStopping = false;
  private reason: string | undefined;
  private requests = 0;
  private readonly waiting = new Map<number, (snapshot: Snapshot) => void>();
  private readonly worker: Worker;

  /**
   * @param options.settings override those of the environment
   * @param options.begin the message that answers the worker's `hello`
   */
  constructor(
    readonly seat: WorkerSeat,
    { settings, begin }: { settings: Record<string, string>; begin: ToWorker },
  ) {
    const ready = Promise.withResolvers<void>();
    const drained = Promise.withResolvers<void>();
    this.worker = cluster.fork(settings);
    resetUnclaimed(this.worker);
    this.worker.on('message', (message: ToPrimary) => {
      if (message.type === 'hello') this.send(begin);
      else if (message.type === 'ready') {
        this.readyAt = performance.now();
        ready.resolve();
      } else if (message.type === 'failed') this.reason = message.reason;
      else if (message.type === 'drained') drained.resolve();
      else if (message.type === 'last') this.last = message.snapshot;
      else this.waiting.get(message.request)?.(message.snapshot);
    });
    // For example, the system could not start the process.
    this.worker.on('error', (error) => {
      this.reason ??= error.message;
    });
    this.ready = ready.promise;
    this.drained = drained.promise;
    this.ended = new Promise((resolve) => {
      this.worker.process.once('close', (code: number | null, signal: string | null) => {
        drained.resolve();
        ready.reject(new WorkerFailed(this.reason ?? `it ended with ${signal ?? `exit code ${code}`}`));
        resolve({ code, signal, reason: this.reason });
      });
    });
    this.ready.catch(() => {});
  }

  get pid(): number | undefined {
    return this.worker.process.pid;
  }

  get state(): WorkerState {
    if (this.isStopping) return 'stopping';
    return this.readyAt === undefined ? 'starting' : 'ready';
  }

  /** Lets the worker finish, because its replacement is ready. The worker closes its own listener. */
  retire(): void {
    this.isStopping = true;
    this.send({ type: 'retire' });
  }

  /** Lets the worker report that it is not ready, while it continues to serve. */
  drain(): void {
    this.isStopping = true;
    this.send({ type: 'drain' });
  }

  /**
   * Ends the worker after the requests in flight, or at once when it has not served yet. Close all workers in the
   * same turn: the last one then closes the port. Each connection that the primary has accepted reaches its worker
   * before, because the channel keeps the order.
   */
  close(): void {
    if (this.state === 'starting') {
      this.kill();
      return;
    }
    this.isStopping = true;
    this.send({ type: 'close' });
    if (this.worker.isConnected()) this.worker.disconnect();
  }

  kill(): void {
    this.isStopping = true;
    this.worker.process.kill('SIGKILL');
  }

  async snapshot(): Promise<Snapshot | undefined> {
    if (this.state === 'starting') return undefined;
    const request = ++this.requests;
    const { promise, resolve } = Promise.withResolvers<Snapshot | undefined>();
    const timer = setTimeout(() => resolve(undefined), METRICS_DEADLINE);
    this.waiting.set(request, resolve);
    this.send({ type: 'measure', request });
    const snapshot = await promise;
    clearTimeout(timer);
    this.waiting.delete(request);
    this.isSilent = snapshot === undefined;
    return snapshot;
  }

  private send(message: ToWorker): void {
    // Sending fails only when the worker is ending, and `ended` reports that.
    if (this.worker.isConnected()) this.worker.send(message, undefined, () => {});
  }
}

/** A worker ended before it was ready. The message is for the operator. */
export class WorkerFailed extends Error {}
