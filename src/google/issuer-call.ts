import { tracedFetch } from '../platform/telemetry/index.ts';

/** Milliseconds for all calls of one request together. A person waits for it and gets an answer within five seconds. */
export const DEADLINE = 4_000;
/** Bytes of an answer. Google's keys and tokens have about 3 kB. */
const MAX_ANSWER = 256 * 1024;

/** The issuer gave no usable answer: none in time, a redirect, a failure, or unexpected content. */
export class IssuerAway extends Error {
  constructor(
    readonly what: string,
    reason: string,
    cause?: unknown,
  ) {
    super(`${what}: ${reason}`, { cause });
    this.name = 'IssuerAway';
  }
}

/**
 * The fetch for every call to the issuer. It follows no redirects, ends with the signal, and reads only up to a limit.
 */
export function boundedFetch(signal: AbortSignal): typeof fetch {
  return async (input, init) => {
    const response = await tracedFetch(input, { ...init, redirect: 'error', signal });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      if (size > MAX_ANSWER) throw new Error(`the answer is larger than ${MAX_ANSWER} bytes`);
      chunks.push(chunk);
    }
    const { status, statusText, headers } = response;
    return new Response(size === 0 ? null : Buffer.concat(chunks), { status, statusText, headers });
  };
}

/** A JSON document of the issuer, and the seconds for which it may be cached (RFC 9111 section 5.2.2.1). */
export interface RemoteJson {
  readonly document: Readonly<Record<string, unknown>>;
  readonly maxAge: number | null;
}

/** @throws {IssuerAway} */
export async function getJson(what: string, url: string, signal: AbortSignal): Promise<RemoteJson> {
  let response: Response;
  let document: unknown;
  try {
    response = await boundedFetch(signal)(url, { headers: { accept: 'application/json' } });
    document = response.status === 200 ? await response.json() : null;
  } catch (error) {
    throw new IssuerAway(what, signal.aborted ? 'no answer in time' : 'no usable answer', error);
  }
  if (response.status !== 200) throw new IssuerAway(what, `it answered ${response.status}`);
  if (!isRecord(document)) throw new IssuerAway(what, 'it did not answer with a JSON object');
  const maxAge = /\bmax-age=(\d{1,8})\b/.exec(response.headers.get('cache-control') ?? '')?.[1];
  return { document, maxAge: maxAge === undefined ? null : Number(maxAge) };
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
