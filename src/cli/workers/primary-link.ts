import cluster from 'node:cluster';
import type { Snapshot } from '../../platform/telemetry/index.ts';
import { CommandError, STOPPED } from '../streams.ts';
import type { ToPrimary, ToWorker } from './messages.ts';

type Begin = Extract<ToWorker, { type: 'begin' }>;

/** Sends a message to the primary. Resolves once it is sent, also when the primary is gone. */
export function tellPrimary(message: ToPrimary): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (process.connected) process.send?.(message, undefined, {}, () => resolve());
  else resolve();
  return promise;
}

/** The channel of a worker to its primary. */
export class PrimaryLink {
  private readonly beginning = Promise.withResolvers<Begin>();
  private readonly retiring = Promise.withResolvers<void>();
  private readonly draining = Promise.withResolvers<void>();
  private readonly closing = Promise.withResolvers<void>();
  /** Returns the current metrics; undefined while they are not collected. */
  private measure: (() => Promise<Snapshot>) | undefined;

  constructor() {
    // By default node:cluster ends a worker at once when its primary is gone. It should finish its requests first.
    if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
    process.on('message', (message: ToWorker) => void this.take(message));
    // Without its primary, a worker gets no more connections, and no process could stop or replace it.
    process.once('disconnect', () => this.closing.resolve());
  }

  /**
   * Asks the primary for the seat of this worker, and for the facts that its settings do not contain.
   * @throws {CommandError} when the gateway stops meanwhile.
   */
  async begin(): Promise<Begin> {
    await tellPrimary({ type: 'hello' });
    const begin = await Promise.race([this.beginning.promise, this.closed]);
    if (!begin) throw new CommandError(STOPPED);
    return begin;
  }

  get retired(): Promise<void> {
    return this.retiring.promise;
  }

  get drained(): Promise<void> {
    return this.draining.promise;
  }

  /** Resolves when the worker should end, or has lost its primary. */
  get closed(): Promise<void> {
    return this.closing.promise;
  }

  /** Answers with these metrics from now on. */
  measureBy(measure: () => Promise<Snapshot>): void {
    this.measure = measure;
  }

  /** Sends the metrics a last time. */
  async sayLast(): Promise<void> {
    if (this.measure) await tellPrimary({ type: 'last', snapshot: await this.measure() });
  }

  private async take(message: ToWorker): Promise<void> {
    switch (message.type) {
      case 'begin':
        return this.beginning.resolve(message);
      case 'retire':
        return this.retiring.resolve();
      case 'drain':
        return this.draining.resolve();
      case 'close':
        return this.closing.resolve();
      case 'measure': {
        const snapshot = await this.measure?.();
        if (snapshot) await tellPrimary({ type: 'measured', request: message.request, snapshot });
      }
    }
  }
}
