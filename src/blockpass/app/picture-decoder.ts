import { execFile } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ServiceUnavailable } from '../../platform/errors.ts';
import { FifoSemaphore } from '../../platform/fifo-semaphore.ts';
import { MAX_STORED, NOT_A_PICTURE } from './picture-limits.ts';

/** Milliseconds for one picture. The most expensive accepted picture takes 2 to 3 seconds of an idle core. */
const TIME = 20_000;
/** Pictures that may wait while another one is decoded. */
const QUEUE = 16;
/** Milliseconds that a picture may wait. */
const WAIT = 20_000;
/** Seconds after which the client should try again. */
const RETRY_AFTER = 10;

/** Node runs src/picture-worker.ts by stripping its types, and dist/picture-worker.js as it is. */
const WORKER = fileURLToPath(new URL(`./picture-worker${extname(import.meta.url)}`, import.meta.url));

/**
 * Decodes uploaded pictures and encodes them again, so that only their pixels are kept.
 *
 * Each picture gets a process of its own, one at a time. A decoder is native code that reads bytes of strangers. In a
 * separate process, a crash or a hang ends one upload and not the gateway, and all memory is returned. The process has
 * none of the gateway's settings or keys in its environment. It runs as the same user, so it is not a sandbox. The
 * gateway itself never loads libvips.
 */
export class PictureDecoder {
  private readonly semaphore = new FifoSemaphore({ places: 1, queue: QUEUE });

  constructor(private readonly limits = { time: TIME }) {}

  /**
   * Decodes and encodes one picture.
   * @param received bytes with the header of a JPEG or PNG
   * @returns the same picture in the same format without metadata, at most `MAX_STORED` bytes; null when it is not a
   *   complete picture.
   * @throws {ServiceUnavailable} too many pictures wait, or it took too long, or the decoder failed.
   */
  async encodeAnew(received: Buffer): Promise<Buffer | null> {
    if (this.semaphore.isFull()) throw unavailable('pictures wait for the decoder');
    await this.semaphore.enter(AbortSignal.timeout(WAIT)).catch((cause) => {
      throw unavailable('pictures wait for the decoder', cause);
    });
    try {
      return await decode(received, this.limits.time);
    } finally {
      this.semaphore.leave();
    }
  }
}

function decode(received: Buffer, timeout: number): Promise<Buffer | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | null>();
  const child = execFile(
    process.execPath,
    [WORKER],
    // Otherwise glibc keeps memory for each thread.
    {
      env: { MALLOC_ARENA_MAX: '1' },
      encoding: 'buffer',
      timeout,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_STORED,
    },
    (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else if (error.code === NOT_A_PICTURE) resolve(null);
      else {
        const { code, signal } = error;
        const said = stderr.toString('utf8').slice(0, 1_000);
        reject(unavailable('the decoder of pictures failed', new Error(`${code ?? signal}: ${said}`)));
      }
    },
  );
  // The process may end before it has read everything. Its exit code tells why.
  child.stdin?.on('error', () => {});
  child.stdin?.end(received);
  return promise;
}

const unavailable = (detail: string, cause?: unknown): ServiceUnavailable =>
  new ServiceUnavailable({ detail, cause, retryAfterSeconds: RETRY_AFTER });
