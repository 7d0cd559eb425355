import { ServiceUnavailable } from '../../platform/errors.ts';

/**
 * Bytes of uploads that a process holds at a time: ten people's pictures, or five of the largest at one moment. With the
 * sealed copies and those of the database driver, a process that was full of them took up to 240 MB more than before. The
 * decoder is not in it: it takes one picture at a time, 400 MB at most (picture-limits.ts).
 */
const CAPACITY = 32 * 1024 * 1024;
/** Seconds after which it is worth trying again. */
const RETRY_AFTER = 10;

/**
 * What uploads may take of the memory, all together. It is taken as bytes arrive and not in advance, so that somebody
 * who sends a byte per second holds a byte per second.
 */
export class UploadMemory {
  private held = 0;

  /** @returns an account of one upload's own. */
  open(): UploadAccount {
    let own = 0;
    let closed = false;
    return {
      take: (bytes) => {
        // A reader that has not noticed yet that its upload failed would take what nobody gives back.
        if (closed) throw new Error('the upload is over');
        if (this.held + bytes > CAPACITY) throw isFull();
        this.held += bytes;
        own += bytes;
      },
      exchange: (before, after) => {
        if (closed) throw new Error('the upload is over');
        if (this.held - before + after > CAPACITY) throw isFull();
        this.held += after - before;
        own += after - before;
      },
      close: () => {
        closed = true;
        this.held -= own;
        own = 0;
      },
    };
  }
}

const isFull = (): ServiceUnavailable =>
  new ServiceUnavailable({ detail: 'uploads fill their memory', retryAfterSeconds: RETRY_AFTER });

export interface UploadAccount {
  /** @throws {ServiceUnavailable} there is no room. */
  take(bytes: number): void;
  /**
   * Gives bytes back for others that were made of them.
   * @throws {ServiceUnavailable} the others are more, and there is no room.
   */
  exchange(before: number, after: number): void;
  close(): void;
}
