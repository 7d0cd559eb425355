import { createSourceEventStream, type ExecutionResult, execute, type subscribe } from 'graphql';
import { withinDeadline } from '../platform/database/index.ts';

/**
 * `subscribe` of graphql-js with a deadline: one for finding the source, and one for answering each event. The wait for
 * an event does not count.
 */
export const subscribeInTime = (milliseconds: number): typeof subscribe =>
  async function subscribe(args) {
    const source = await withinDeadline(milliseconds, () => createSourceEventStream(args));
    return Symbol.asyncIterator in source
      ? answers(source, (event) => withinDeadline(milliseconds, () => execute({ ...args, rootValue: event })))
      : source;
  };

type Answer = (event: unknown) => ExecutionResult | Promise<ExecutionResult>;

/** A hand-written generator: the `return` of a real one would wait for the next event instead of ending the source. */
function answers(
  source: AsyncIterable<unknown>,
  answer: Answer,
): AsyncGenerator<ExecutionResult, void, void> {
  const events = source[Symbol.asyncIterator]();
  const done = { value: undefined, done: true } as const;
  return {
    async next() {
      const event = await events.next();
      return event.done ? done : { value: await answer(event.value), done: false };
    },
    async return() {
      await events.return?.();
      return done;
    },
    async throw(error) {
      await events.return?.();
      throw error;
    },
    async [Symbol.asyncDispose]() {
      await events.return?.();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
