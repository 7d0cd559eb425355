import type { IncomingHttpHeaders } from 'node:http';
import { ServiceUnavailable } from '../platform/errors.ts';

/** Milliseconds that an operation waits for a place at most. Its client would give up soon after. */
const MAX_WAIT = 1_000;
/** Bytes of the requests that wait. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
/**
 * Seconds: clients that were refused together come back spread over this time. A full line empties in a second, so none
 * comes back sooner than in one.
 */
const RETRY_AFTER = { from: 1, to: 4 };

/**
 * What the body of a request holds at most.
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
 * The operations that one process has at work at once, and the line of those that wait for a place. The first that came is the
 * first that is served.
 *
 * An operation waits rather than being refused, since its client would only send the next one on the same connection: a
 * process with 500 busy connections did little but refuse. A client that waits sends nothing. The line is bounded by the bytes that it
 * holds and by time: nothing is served after its client has given up.
 */
export class OperationPlaces {
  private atWork = 0;
  private readonly line = new Set<Waiting>();
  private waitingBytes = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly places: number) {}

  /**
   * Waits for a place; `leave` gives it back.
   * @param bytes what the request holds in memory meanwhile
   * @param isGone whether its client went away; then the wait never ends, and no place is taken
   * @throws {ServiceUnavailable} after one second, or at once when the line holds too much.
   */
  async enter(bytes: number, isGone: () => boolean): Promise<void> {
    if (this.atWork < this.places) {
      this.atWork += 1;
      return;
    }
    if (this.waitingBytes + bytes > MAX_WAITING_BYTES) throw this.refusal('the line is full');
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

  /** The first in the line whose client is still there. */
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
      waiting.refuse(this.refusal('waited in vain'));
    }
  };

  private refusal(why: string): ServiceUnavailable {
    const { from, to } = RETRY_AFTER;
    return new ServiceUnavailable({
      detail: `${this.places} operations are at work already; ${why}`,
      retryAfterSeconds: from + Math.floor(Math.random() * (to - from + 1)),
    });
  }
}
