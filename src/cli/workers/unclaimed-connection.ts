import type { Worker } from 'node:cluster';

/** A connection as node:cluster sends it. */
interface Handle {
  close(): void;
}

const isHandle = (value: unknown): value is Handle =>
  typeof value === 'object' && value !== null && typeof (value as Partial<Handle>).close === 'function';

/**
 * Resets the connection that a worker has not taken yet when it dies. The primary sends a worker one connection at a
 * time, and keeps its own copy until the worker confirms it. node:cluster forgets the copy of a worker that dies before
 * (Node 24, `RoundRobinHandle.handoff`). Its client would wait for an answer until its own timeout.
 *
 * `internalMessage` is not documented. Without it a connection could only be reset that its worker has passed back.
 */
export function resetUnclaimed({ process: child }: Worker): void {
  let unclaimed: Handle | undefined;
  const send = child.send.bind(child) as (...args: unknown[]) => boolean;
  child.send = (message: unknown, handle?: unknown, ...rest: unknown[]) => {
    if (isHandle(handle)) unclaimed = handle;
    return send(message, handle, ...rest);
  };
  // Before the listener of node:cluster, which may send the next connection.
  child.prependListener('internalMessage', (message: { readonly accepted?: boolean }) => {
    if (message.accepted !== undefined) unclaimed = undefined;
  });
  child.once('close', () => unclaimed?.close());
}
