import { ServiceUnavailable } from '../../platform/errors.ts';

/**
 * Bytes of uploads that a process holds at a time: the pictures of ten people, or five of the largest uploads at one
 * moment. With the sealed copies and those of the database driver, a process full of uploads took up to 240 MB more
 * than before. The decoder is not included: it decodes one picture at a time, with 400 MB at most (picture-limits.ts).
 */
const CAPACITY = 32 * 1024 * 1024;
/** Seconds after which the client should try again. */
const RETRY_AFTER = 10;

/**
 * The memory that all uploads together may use. Memory is charged as bytes arrive and not in advance, so a sender of
 * one byte a second holds only that.
 */
export class UploadMemory {
  private held = 0;

  /** @returns an account for one upload. */
  open(): UploadAccount {
    let own = 0;
    let closed = false;
    return {
      take: (bytes) => {
        // A reader that has not noticed that its upload failed would charge memory that is never released.
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
   * Replaces charged bytes by those that were made from them.
   * @throws {ServiceUnavailable} the new bytes are more, and there is no room.
   */
  exchange(before: number, after: number): void;
  close(): void;
}
