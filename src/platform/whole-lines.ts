import { Writable } from 'node:stream';

/** Bytes that a pipe takes at once or not at all (PIPE_BUF of Linux; POSIX promises 512). */
const ATOMIC = 4_096;
const NEWLINE = 0x0a;

/**
 * Writes lines to a pipe that several processes share. While the pipe is nearly full, lines of other processes can
 * end up inside of a write that is too long. So each write has whole lines, together at most 4,096 bytes. A line that
 * is longer is written alone, and may be torn.
 */
export class WholeLines extends Writable {
  constructor(private readonly shared: NodeJS.WritableStream) {
    super({ decodeStrings: true });
    // Each write reports its failure to its caller. Without a listener, the process would exit.
    this.on('error', () => {});
    if (shared.listenerCount('error') === 0) shared.on('error', () => {});
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const end = firstPart(bytes);
    this.shared.write(bytes.subarray(0, end), (error) => {
      if (error || end === bytes.length) done(error);
      else this._write(bytes.subarray(end), _encoding, done);
    });
  }
}

/** The length of the first lines that fit into one write. */
function firstPart(bytes: Buffer): number {
  if (bytes.length <= ATOMIC) return bytes.length;
  const fitting = bytes.lastIndexOf(NEWLINE, ATOMIC - 1) + 1;
  if (fitting > 0) return fitting;
  return bytes.indexOf(NEWLINE) + 1 || bytes.length;
}
