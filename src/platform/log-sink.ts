import { fstatSync, statSync, write as writeTo } from 'node:fs';
import { isatty } from 'node:tty';
import type { DestinationStream } from 'pino';
import { WholeLines } from './whole-lines.ts';

/** Bytes that may wait for a slow reader of the log. A line has about 300 bytes, so these are some 25,000 lines. */
const MAX_WAITING = 8 * 1024 * 1024;
/** Milliseconds for writing the last lines of a process. */
export const LOG_PATIENCE = 500;
const STANDARD_ERROR = 2;

type Written = (error?: Error | null) => void;

/** Writes without blocking, in order. Node streams implement it. */
export interface LineWriter {
  /** Bytes that were accepted but are not written yet. */
  readonly writableLength: number;
  write(text: string, written: Written): unknown;
}

/**
 * Takes the lines of the log. It never waits for the reader and never throws: a pipe without a reader, or a full disk,
 * must not stop the gateway or fail a request. When there is no room, lines are dropped and counted. The log reports
 * the count as soon as it can be written again.
 */
export class LogSink implements DestinationStream {
  private dropped = 0;

  constructor(
    private readonly writer: LineWriter,
    private readonly maxWaiting = MAX_WAITING,
  ) {}

  write(line: string): void {
    if (this.writer.writableLength + line.length > this.maxWaiting) {
      this.dropped += 1;
      return;
    }
    const { dropped } = this;
    this.dropped = 0;
    this.writer.write(dropped > 0 ? droppedLine(dropped) + line : line, (error) => {
      if (error) this.dropped += dropped + 1;
    });
  }

  /** Waits until everything is written, at most `patience` milliseconds. Call it before the process ends. */
  async drained(patience: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patience);
    this.writer.write('', () => resolve());
    await promise.finally(() => clearTimeout(timer));
  }
}

/**
 * The sink for standard error. Node writes to pipes, sockets and terminals without blocking, but not to files.
 * @param options.isShared whether other processes write to it too
 */
export function standardError({ isShared = false } = {}): LogSink {
  const kind = fstatSync(STANDARD_ERROR);
  if (!kind.isFIFO() && !kind.isSocket() && !isatty(STANDARD_ERROR)) {
    return new LogSink(new FileWriter(STANDARD_ERROR));
  }
  // After the reader has gone, each write fails by itself, and the sink counts it.
  if (process.stderr.listenerCount('error') === 0) process.stderr.on('error', () => {});
  return new LogSink(isShared ? new WholeLines(process.stderr) : process.stderr);
}

/** Appends to an open file. After a failed write, such as on a full disk, later ones are still tried. */
class FileWriter implements LineWriter {
  private waiting: Array<{ bytes: Buffer; written: Written }> = [];
  private isWriting = false;
  writableLength = 0;

  constructor(private readonly descriptor: number) {}

  write(text: string, written: Written): void {
    const bytes = Buffer.from(text);
    this.writableLength += bytes.length;
    this.waiting.push({ bytes, written });
    if (!this.isWriting) this.writeWaiting();
  }

  private writeWaiting(): void {
    const batch = this.waiting;
    this.waiting = [];
    this.isWriting = batch.length > 0;
    if (!this.isWriting) return;
    const bytes = Buffer.concat(batch.map((item) => item.bytes));
    this.append(bytes, (error) => {
      this.writableLength -= bytes.length;
      for (const { written } of batch) written(error);
      this.writeWaiting();
    });
  }

  private append(bytes: Buffer, written: Written): void {
    writeTo(this.descriptor, bytes, (error, count) => {
      if (error || count === bytes.length) written(error);
      else this.append(bytes.subarray(count), written);
    });
  }
}

const droppedLine = (dropped: number): string =>
  `${JSON.stringify({
    level: 'warn',
    time: new Date().toISOString(),
    dropped,
    msg: 'lines of the log were dropped: its reader is too slow, or its disk is full',
  })}\n`;

/** Whether standard error leads to /dev/null. Node also opens that when it was started with a closed one. */
export function isNullDevice(): boolean {
  const { rdev } = fstatSync(STANDARD_ERROR);
  return rdev !== 0 && rdev === statSync('/dev/null', { throwIfNoEntry: false })?.rdev;
}

/** Milliseconds for a reader of the log to take one byte, and between two attempts. */
const PROBE_PATIENCE = 2_000;
const PROBE_PAUSE = 50;

/**
 * Writes an empty line to standard error, unless that is a terminal, to see whether the log can be written.
 * @returns why it cannot; undefined when it can
 */
export async function probeStandardError(): Promise<string | undefined> {
  if (isatty(STANDARD_ERROR)) return undefined;
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let attempt: NodeJS.Timeout | undefined;
  const write = (): void =>
    writeTo(STANDARD_ERROR, '\n', (error) => {
      // A pipe that is full at the moment.
      if (error?.code === 'EAGAIN') attempt = setTimeout(write, PROBE_PAUSE);
      else resolve(error ? (error.code ?? 'the write failed') : undefined);
    });
  write();
  const timer = setTimeout(() => resolve('its reader does not read'), PROBE_PATIENCE);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    clearTimeout(attempt);
  }
}
