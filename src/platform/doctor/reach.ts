import { connect } from 'node:net';
import { withTimeout } from '../with-timeout.ts';

/** Milliseconds for an HTTP answer. */
const ANSWER_WITHIN = 4_000;

/** An HTTP status, or the reason why there is none, without the URL. */
export type Reached = { readonly status: number } | { readonly reason: string };

/** Makes one HTTP request, and reads no body. Redirects are not followed. */
export async function reach(url: string, init: RequestInit = {}): Promise<Reached> {
  try {
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
    await response.body?.cancel();
    return { status: response.status };
  } catch (error) {
    return { reason: networkReason(error) };
  }
}

/** The code of a network failure, such as ECONNREFUSED. Its message may quote a URL with a password. */
export function networkReason(error: unknown): string {
  let cause = error as { code?: unknown; name?: unknown; cause?: unknown } | undefined;
  for (; cause; cause = cause.cause as typeof cause) {
    if (cause.name === 'TimeoutError') return 'no answer in time';
    if (typeof cause.code === 'string') return cause.code;
  }
  return 'the connection failed';
}

/** Whether something listens on a port. */
export async function listens(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  try {
    return await withTimeout(ANSWER_WITHIN, promise).catch(() => false);
  } finally {
    socket.destroy();
  }
}
