import { BlockpassAway, BlockpassRefused } from './errors.ts';

/** Milliseconds for a whole call with its repetition. A person waits for it. */
const DEADLINE = 5_000;
/** Milliseconds before a call is repeated. */
const RETRY_DELAY = 200;
/** Bytes of an answer: proofs of all fields take about 20 kB. */
const MAX_ANSWER = 256 * 1024;

export interface Call {
  /** For the log. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  /** The bare token: this API knows no `Bearer`. */
  readonly token?: string;
  readonly body?: unknown;
  /** That it only reads, so that it may be sent once more when no answer came. */
  readonly reads?: boolean;
}

/**
 * One call of the Blockpass API: to the configured base only, no redirect followed, no more read than a limit, over
 * within five seconds whatever the other side does.
 * @throws {BlockpassRefused} 4xx.
 * @throws {BlockpassAway} everything else but 200 with a JSON object.
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
    response = await fetch(baseUrl + call.path, {
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

/** What is beyond the limit is not read: the connection is closed. */
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
