import { Client, type Reply } from '../../tests/support/client.ts';
import type { Tally } from './tally.ts';

/** Milliseconds after which a client gives up a request and goes on elsewhere. */
const PATIENCE = 5_000;
/** Milliseconds between two attempts. These clients retry sooner than Retry-After asks them to. */
const AGAIN_AFTER = 200;
/** Milliseconds after which an answer counts as trouble. */
const SLOW = 2_000;
/** Milliseconds after which the run reports why a client waited. */
const LONG = 20_000;
/** Milliseconds after which a client stops trying. Longer than any part is away. */
const GIVE_UP_AFTER = 90_000;
const HONEST_CODES = new Set<unknown>(['SERVICE_UNAVAILABLE', 'RATE_LIMITED']);

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/**
 * Whether the refusal has a retry time: in the header or, when only a part of the operation was refused, in the error.
 */
const saysWhen = ({ headers, errors }: Reply<unknown>): boolean =>
  headers.has('retry-after') || errors.some(({ extensions }) => Number(extensions?.retryAfterSeconds) > 0);

const story = (met: ReadonlyMap<string, number>): string =>
  [...met].map(([what, times]) => `${times} times ${what}`).join(', ');

/** The answer that settles an operation, and whether an earlier attempt may have taken effect. */
export interface Settled<Data> {
  readonly reply: Reply<Data>;
  readonly isRepeated: boolean;
}

/** Sends operations to the gateways in turn, as clients behind a balancer do, and counts the outcomes. */
export class Sender {
  readonly #clients: readonly Client[];
  #turn = 0;
  #isClosed = false;

  constructor(
    urls: readonly string[],
    readonly tally: Tally,
  ) {
    this.#clients = urls.map((url) => new Client(url));
  }

  /** Stops all waiting, when the fault itself failed. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * Sends an operation until an answer settles it, each time to the next gateway.
   * @param late gets an answer that comes after the client gave up that attempt
   * @returns undefined when no answer came within GIVE_UP_AFTER
   */
  async ask<Data>(
    operation: (client: Client) => Promise<Reply<Data>>,
    late: (reply: Reply<Data>) => void = () => {},
  ): Promise<Settled<Data> | undefined> {
    const firstAt = performance.now();
    const met = new Map<string, number>();
    for (let attempt = 0; !this.#isClosed && performance.now() - firstAt < GIVE_UP_AFTER; attempt++) {
      const startedAt = performance.now();
      const reply = await this.#attempt(operation, late);
      if (performance.now() - startedAt > SLOW) this.tally.trouble(startedAt);
      if (reply && !HONEST_CODES.has(reply.code)) {
        this.tally.settled(firstAt);
        if (startedAt - firstAt > LONG) this.tally.notes.push(`a client waited: ${story(met)}`);
        if (reply.code === undefined) this.tally.acknowledged += 1;
        if (reply.code === 'INTERNAL_SERVER_ERROR') this.tally.isWrong('INTERNAL_SERVER_ERROR');
        else return { reply, isRepeated: attempt > 0 };
      } else if (reply) {
        this.tally.refused += 1;
        if (!saysWhen(reply)) this.tally.isWrong(`${reply.code} without Retry-After`);
      } else this.tally.unanswered += 1;
      const what = reply ? String(reply.code) : 'no answer';
      met.set(what, (met.get(what) ?? 0) + 1);
      this.tally.trouble(startedAt);
      await pause(AGAIN_AFTER);
    }
    this.tally.isWrong(`no answer within ${GIVE_UP_AFTER / 1000} s`);
    return undefined;
  }

  /** @returns undefined without an answer. */
  async #attempt<Data>(
    operation: (client: Client) => Promise<Reply<Data>>,
    late: (reply: Reply<Data>) => void,
  ): Promise<Reply<Data> | undefined> {
    this.tally.requests += 1;
    const client = this.#clients[this.#turn++ % this.#clients.length] as Client;
    let isGivenUp = false;
    const answer = operation(client).then(
      (reply) => {
        if (isGivenUp) late(reply);
        return reply;
      },
      () => undefined,
    );
    const patience = pause(PATIENCE).then(() => {
      isGivenUp = true;
      return undefined;
    });
    return Promise.race([answer, patience]);
  }
}
