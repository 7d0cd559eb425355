import { tracedFetch } from '../../platform/telemetry/index.ts';
import { BlockpassAway, BlockpassRefused } from './errors.ts';

/** Milliseconds for a call with its retry. A person waits for it. */
const DEADLINE = 5_000;
/** Milliseconds before a retry. */
const RETRY_DELAY = 200;
/** Bytes of an answer. Proofs of all fields have about 20 kB. */
const MAX_ANSWER = 256 * 1024;

export interface Call {
  /** Names the call in the log. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  /** The bare token, because this API does not use `Bearer`. */
  readonly token?: string;
  readonly body?: unknown;
  /** Whether the call only reads. Then it is retried once when no answer came. */
  readonly reads?: boolean;
}

/**
 * Makes one call of the Blockpass API. It goes only to the configured base, follows no redirect, reads only up to a
 * limit, and always ends within five seconds.
 * @throws {BlockpassRefused} 4xx.
 * @throws {BlockpassAway} any answer but 200 with a JSON object.
 */
export async function send(
  baseUrl: string,
  call: Call,
  limits = { deadline: DEADLINE },
): Promise<Record<string, unknown>> {
  const signal = AbortSignal.timeout(limits.deadline);
  try {
    return await attempt(baseUrl, call, signal);
  } catch (error) {
    if (!call.reads || !(error instanceof BlockpassAway) || signal.aborted) throw error;
    await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY));
    return attempt(baseUrl, call, signal);
  }
}

async function attempt(baseUrl: string, call: Call, signal: AbortSignal): Promise<Record<string, unknown>> {
  const away = (reason: string, cause?: unknown) => new BlockpassAway(call.name, reason, cause);
  let response: Response;
  let answer: Uint8Array;
  try {
    response = await tracedFetch(baseUrl + call.path, {
      method: call.method,
      redirect: 'manual',
      signal,
      headers: {
        accept: 'application/json',
        ...(call.body !== undefined && { 'content-type': 'application/json' }),
        ...(call.token !== undefined && { authorization: call.token }),
      },
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
    });
    answer = await readBounded(response);
  } catch (error) {
    throw away(signal.aborted ? 'no answer in time' : 'the connection failed', error);
  }
  const { status } = response;
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    throw new BlockpassRefused(call.name, status);
  }
  if (status !== 200) throw away(`it answered ${status}`);
  const document = parseObject(answer);
  if (!document) throw away('it did not answer with a JSON object');
  return document;
}

/** Reads up to the limit. Beyond it, the connection is closed. */
async function readBounded(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER) throw new Error(`the answer is larger than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const document: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return isRecord(document) ? document : undefined;
  } catch {
    return undefined;
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
