import type { EntityManager } from '@mikro-orm/postgresql';
import { outsideDeadline } from '../../platform/database/index.ts';
import type { EventFeed } from '../../platform/events/index.ts';
import { BlockpassSignInState } from './blockpass-sign-in.entity.ts';
import type { SignInView, WebsiteSignIns } from './website-sign-ins.ts';

/** Milliseconds between two queries without a wake-up. A lost wake-up delays a page by at most this time. */
const LOOK_INTERVAL = 2_000;

/**
 * Follows sign-ins for the pages that wait for them. A change wakes every process, and one statement reads all sign-ins
 * that pages of this process wait for.
 */
export class SignInWatch {
  private readonly watchers = new Map<string, Set<Channel<SignInView>>>();
  private timer: NodeJS.Timeout | undefined;
  private reading = false;
  private again = false;

  constructor(
    private readonly signIns: WebsiteSignIns,
    private readonly fork: () => EntityManager,
    feed: EventFeed,
    private readonly log: (message: string, error: unknown) => void,
  ) {
    feed.subscribe('sign-ins', () => void this.lookAround());
  }

  /** Follows a sign-in: its present state, and each change until it ends. */
  follow(now: SignInView): AsyncIterableIterator<SignInView> {
    const channel = new Channel<SignInView>(() => this.forget(now.id, channel));
    this.watchers.set(now.id, (this.watchers.get(now.id) ?? new Set()).add(channel));
    this.timer ??= setInterval(() => void this.lookAround(), LOOK_INTERVAL).unref();
    this.tell(channel, now);
    return channel;
  }

  stop(): void {
    for (const channels of this.watchers.values()) for (const channel of channels) channel.close();
  }

  private forget(id: string, channel: Channel<SignInView>): void {
    const channels = this.watchers.get(id);
    channels?.delete(channel);
    if (channels?.size === 0) this.watchers.delete(id);
    if (this.watchers.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Reads outside the deadline of the operation that caused it, because the result is for all pages. */
  private lookAround(): Promise<void> {
    return outsideDeadline(() => this.look());
  }

  private async look(): Promise<void> {
    if (this.watchers.size === 0) return;
    this.again = this.reading;
    if (this.reading) return;
    this.reading = true;
    try {
      do {
        this.again = false;
        const ids = [...this.watchers.keys()];
        const views = new Map((await this.signIns.states(this.fork(), ids)).map((view) => [view.id, view]));
        for (const id of ids) {
          const view = views.get(id);
          // A sign-in that was deleted with its account has no more changes.
          for (const channel of this.watchers.get(id) ?? [])
            view ? this.tell(channel, view) : channel.close();
        }
      } while (this.again);
    } catch (error) {
      this.log('Blockpass sign-ins cannot be followed', error);
    } finally {
      this.reading = false;
    }
  }

  private tell(channel: Channel<SignInView>, view: SignInView): void {
    if (channel.latest?.state === view.state) return;
    channel.push(view);
    const { CREATED, PROCESSING } = BlockpassSignInState;
    if (view.state !== CREATED && view.state !== PROCESSING) channel.close();
  }
}

/** A queue of values in order. A waiting reader learns of its end at once. */
class Channel<T> implements AsyncIterableIterator<T> {
  latest: T | undefined;
  private readonly values: T[] = [];
  private waiting: ((result: IteratorResult<T>) => void) | undefined;
  private closed = false;

  constructor(private readonly onClose: () => void) {}

  push(value: T): void {
    if (this.closed) return;
    this.latest = value;
    const { waiting } = this;
    this.waiting = undefined;
    if (waiting) waiting({ value, done: false });
    else this.values.push(value);
  }

  /** Ends the channel. Values that were pushed before are still returned. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.waiting?.({ value: undefined, done: true });
    this.onClose();
  }

  next(): Promise<IteratorResult<T>> {
    const value = this.values.shift();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (this.closed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  async return(): Promise<IteratorResult<T>> {
    this.close();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
