import type { Clock } from '../platform/clock.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import { DEADLINE } from './issuer-call.ts';

/** Least seconds between two fetches of one document, however many requests want a newer one. */
const COOL_DOWN = 10;

export interface Fetched<T> {
  readonly value: T;
  /** In seconds. */
  readonly maxAge: number;
}

/**
 * A cached document of the issuer. At most one fetch runs at a time, and one in each cool-down. So neither an issuer
 * that is unavailable nor a stream of tokens with invented key ids makes the gateway send more requests.
 */
export class RemoteDocument<T> {
  private held: { value: T; until: number } | null = null;
  private lastFetch: { at: number; failure: unknown } | null = null;
  private fetching: Promise<void> | null = null;

  constructor(
    private readonly fetchIt: (signal: AbortSignal) => Promise<Fetched<T>>,
    private readonly clock: Clock,
  ) {}

  /**
   * Looks up a value in the document, and fetches a newer document if the value is missing.
   * @param find looks up the value
   * @param signal how long the caller can wait. The fetch has a deadline of its own: others wait for it too, and the
   *   time left of a late caller would be too short.
   * @returns undefined when the newest document that may be fetched does not have the value either.
   * @throws {ServiceUnavailable} there is no document, or no newer one.
   */
  async get<U>(find: (value: T) => U | undefined, signal: AbortSignal): Promise<U | undefined> {
    const known = this.lookUp(find);
    if (known !== undefined) return known;
    if (!this.fetching && this.isCool()) this.fetching = this.renew();
    if (this.fetching && !(await endsBefore(this.fetching, signal))) {
      throw new ServiceUnavailable({ detail: 'the issuer did not answer in time' });
    }
    const found = this.lookUp(find);
    if (found === undefined && this.lastFetch?.failure) throw this.away(this.lastFetch.failure);
    return found;
  }

  private lookUp<U>(find: (value: T) => U | undefined): U | undefined {
    return this.held && this.clock.now() < this.held.until ? find(this.held.value) : undefined;
  }

  private isCool(): boolean {
    return !this.lastFetch || this.clock.now() - this.lastFetch.at >= COOL_DOWN * 1000;
  }

  private async renew(): Promise<void> {
    const at = this.clock.now();
    try {
      const { value, maxAge } = await this.fetchIt(AbortSignal.timeout(DEADLINE));
      this.held = { value, until: this.clock.now() + maxAge * 1000 };
      this.lastFetch = { at, failure: null };
    } catch (failure) {
      this.lastFetch = { at, failure };
    } finally {
      this.fetching = null;
    }
  }

  private away(cause: unknown): ServiceUnavailable {
    const since = (this.clock.now() - (this.lastFetch?.at ?? 0)) / 1000;
    return new ServiceUnavailable({
      detail: cause instanceof Error ? cause.message : 'Google is unavailable',
      retryAfterSeconds: Math.max(1, Math.ceil(COOL_DOWN - since)),
    });
  }
}

/** Waits for the work. @returns false when the signal comes first. */
function endsBefore(work: Promise<void>, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  const aborted = new Promise<boolean>((resolve) => {
    signal.addEventListener('abort', () => resolve(false), { once: true });
  });
  return Promise.race([work.then(() => true), aborted]);
}
