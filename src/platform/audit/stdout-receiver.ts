import { withTimeout } from '../with-timeout.ts';
import { type AuditReceiver, type StreamedEvent, toJsonLine } from './audit-receiver.ts';

/** Milliseconds for the reader of a pipe to make room. */
const DEADLINE = 5_000;

/**
 * Writes JSON Lines to standard output. Node writes to a pipe without blocking, so a hanging reader stops only this.
 */
export class StdoutReceiver implements AuditReceiver {
  /** The text that the stream has not written yet. A write cannot be revoked, so the next text waits for its end. */
  private pending: { text: string; written: Promise<void> } | undefined;

  constructor(
    private readonly output: NodeJS.WritableStream,
    private readonly deadline = DEADLINE,
  ) {
    // The callback of the write reports the same error. Without a listener, the process would exit.
    output.on('error', () => {});
  }

  async send(events: readonly StreamedEvent[]): Promise<void> {
    const text = events.map((event) => `${toJsonLine(event)}\n`).join('');
    if (this.pending && this.pending.text !== text) await withTimeout(this.deadline, this.pending.written);
    this.pending ??= { text, written: this.write(text) };
    await withTimeout(this.deadline, this.pending.written);
  }

  private write(text: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.output.write(text, (error) => {
      this.pending = undefined;
      if (error) reject(error);
      else resolve();
    });
    // The write may fail while no caller waits for it.
    promise.catch(() => {});
    return promise;
  }
}
