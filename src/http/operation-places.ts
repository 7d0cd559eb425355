import type { IncomingHttpHeaders } from 'node:http';
import { ServiceUnavailable } from '../platform/errors.ts';

/** Milliseconds that an operation waits for a place at most. Its client would soon give up. */
const MAX_WAIT = 1_000;
/** Bytes of all waiting requests. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
/**
 * Seconds. Clients that were refused together retry spread over this time. A full queue empties in a second, so no
 * client retries sooner than that.
 */
const RETRY_AFTER = { from: 1, to: 4 };

/**
 * The greatest size of the body of a request.
 * @param bodyLimit bytes: counted for a chunked body (RFC 9112 section 7.1), which does not tell its length beforehand
 */
export const bodyBytes = (headers: IncomingHttpHeaders, bodyLimit: number): number =>
  headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : bodyLimit;

interface Waiting {
  readonly bytes: number;
  readonly since: number;
  readonly isGone: () => boolean;
  readonly admit: () => void;
  readonly refuse: (error: ServiceUnavailable) => void;
}

/**
 * The concurrent operations of one process, and the queue of those that wait for a place, first come, first served.
 *
 * An operation waits instead of being refused, since its client would only send the next one on the same connection: a
 * process with 500 busy connections did little but refuse. A waiting client sends nothing. The queue is bounded in
 * bytes and in time, so that no operation runs after its client has given up.
 */
export class OperationPlaces {
  private atWork = 0;
  private readonly line = new Set<Waiting>();
  private waitingBytes = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly places: number) {}

  /**
   * Waits for a place. `leave` returns it.
   * @param bytes that the request holds in memory meanwhile
   * @param isGone whether its client has disconnected; then the wait never ends, and no place is taken
   * @throws {ServiceUnavailable} after one second, or at once when the queue holds too many bytes.
   */
  async enter(bytes: number, isGone: () => boolean): Promise<void> {
    if (this.atWork < this.places) {
      this.atWork += 1;
      return;
    }
    if (this.waitingBytes + bytes > MAX_WAITING_BYTES) throw this.refusal('the queue is full');
    await new Promise<void>((admit, refuse) => {
      this.line.add({ bytes, since: performance.now(), isGone, admit, refuse });
      this.waitingBytes += bytes;
      this.timer ??= setTimeout(this.refuseLate, MAX_WAIT);
    });
  }

  leave(): void {
    const next = this.next();
    if (next) next.admit();
    else this.atWork -= 1;
  }

  /** The first waiting operation whose client is still connected. */
  private next(): Waiting | undefined {
    for (const waiting of this.line) {
      this.remove(waiting);
      if (!waiting.isGone()) return waiting;
    }
    return undefined;
  }

  private remove(waiting: Waiting): void {
    this.line.delete(waiting);
    this.waitingBytes -= waiting.bytes;
  }

  private readonly refuseLate = (): void => {
    this.timer = undefined;
    const now = performance.now();
    for (const waiting of this.line) {
      const left = waiting.since + MAX_WAIT - now;
      if (left > 0) {
        this.timer = setTimeout(this.refuseLate, left);
        return;
      }
      this.remove(waiting);
      waiting.refuse(this.refusal('no place became free in time'));
    }
  };

  private refusal(why: string): ServiceUnavailable {
    const { from, to } = RETRY_AFTER;
    return new ServiceUnavailable({
      detail: `${this.places} operations are running already; ${why}`,
      retryAfterSeconds: from + Math.floor(Math.random() * (to - from + 1)),
    });
  }
}
