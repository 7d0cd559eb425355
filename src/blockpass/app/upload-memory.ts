import { ServiceUnavailable } from '../../platform/errors.ts';

/** Bytes of uploads that a process holds at a time: ten people's pictures, or five of the largest at one moment. */
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
    return {
      take: (bytes) => {
        if (this.held + bytes > CAPACITY) {
          throw new ServiceUnavailable({
            detail: 'uploads fill their memory',
            retryAfterSeconds: RETRY_AFTER,
          });
        }
        this.held += bytes;
        own += bytes;
      },
      close: () => {
        this.held -= own;
        own = 0;
      },
    };
  }
}

export interface UploadAccount {
  /** @throws {ServiceUnavailable} there is no room. */
  take(bytes: number): void;
  close(): void;
}
