import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import { BadUserInput, PayloadTooLarge } from '../../platform/errors.ts';
import { UploadTooSlow } from './app-errors.ts';
import type { UploadAccount } from './upload-memory.ts';

/** Bytes of a file. A picture of a phone has two to five million. */
export const MAX_FILE = 6 * 1024 * 1024;
/** Bytes of a text field. A structured address has about 300. */
export const MAX_TEXT = 4 * 1024;
/** Bytes of a certificate. One from a screening service has about 10,000. */
export const MAX_CERTIFICATE = 128 * 1024;
/** Bytes of a whole upload, with headers and boundaries. */
export const MAX_UPLOAD = 16 * 1024 * 1024;
/** Maximum number of chunks: the largest upload in the smallest packets that every network carries (RFC 879). */
const MAX_PIECES = 32_000;
/** Milliseconds for a whole upload to arrive. */
const TIME = 30_000;
/** Maximum number of parts: nine fields, each named again in slugList, some certificates and the upload token. */
const MAX_PARTS = 64;
/** Bytes of the header of a part. */
const MAX_PART_HEADER = 2 * 1024;
/** Bytes that are kept before the upload token arrives, which usually comes first. */
const MAX_BEFORE_PASS = 64 * 1024;

/** One part of an upload as received. It is not decoded, because hashes are over the bytes. */
export interface UploadedPart {
  readonly name: string;
  /** Whether it has a file name. The name itself is not kept. */
  readonly isFile: boolean;
  readonly bytes: Buffer;
}

/** Decides which parts of an upload are read. Other parts are skipped. */
export interface UploadPlan {
  /** Maximum number of bytes of a part; undefined for a part that was not requested. */
  limitOf(name: string): number | undefined;
}

const PASS_PART = 'accessToken';
const MAX_PASS = 256;

/**
 * Reads a multipart upload within its limits, whatever its headers say. It writes no files. A part that is not wanted
 * is skipped as it arrives.
 * @param memory is charged for the bytes that are kept
 * @param admit checks the upload token, and says which parts may come; called once
 * @throws {PayloadTooLarge} more than a limit.
 * @throws {BadUserInput} not such a form, a repeated part, or no upload token.
 * @throws {UploadTooSlow} it did not arrive in time.
 */
export async function readUpload<Plan extends UploadPlan>(
  source: Readable,
  headers: IncomingHttpHeaders,
  memory: UploadAccount,
  admit: (uploadToken: string) => Promise<Plan>,
): Promise<{ plan: Plan; parts: UploadedPart[] }> {
  if (Number(headers['content-length'] ?? 0) > MAX_UPLOAD) throw new PayloadTooLarge('by its own account');
  const form = openForm(headers);
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  failed.catch(() => {});
  let plan: Plan | undefined;
  let early = MAX_BEFORE_PASS;
  let total = 0;
  let pieces = 0;
  const parts = new Map<string, UploadedPart>();

  const readPart = async (name: string, stream: Readable, isFile: boolean): Promise<void> => {
    if (name === PASS_PART) {
      if (plan) throw refused('accessToken came twice.');
      plan = await admit((await read(stream, MAX_PASS, memory)).toString('utf8'));
      return;
    }
    // Before the token arrives, the wanted parts are unknown. Parts are kept within a limit, and checked at the end.
    const limit = plan ? plan.limitOf(name) : early;
    if (limit === undefined) {
      stream.resume();
      return;
    }
    const bytes = await read(stream, limit, memory);
    if (!plan) early -= bytes.length;
    if (parts.has(name) && name !== 'slugList') throw refused(`A part came twice.`);
    parts.set(name, { name, isFile, bytes });
  };

  // A part that is not read yet holds back the parser, and the parser holds back the sender. So at most one unread part
  // is in memory.
  let reading: Promise<void> = Promise.resolve();
  form.on('file', (name: string, stream: Readable, fileName: string | undefined) => {
    stream.on('error', fail);
    reading = reading.then(() => readPart(name, stream, fileName !== undefined));
    reading.catch(fail);
  });
  form.on('partsLimit', () => fail(new PayloadTooLarge('too many parts')));
  form.on('error', () => fail(refused('This is not multipart/form-data.')));
  form.on('finish', finish);
  const count = (chunk: Buffer) => {
    total += chunk.length;
    pieces += 1;
    if (total > MAX_UPLOAD) fail(new PayloadTooLarge('too many bytes'));
    // A chunk of one byte costs as much work as a chunk of 64 kB.
    if (pieces > MAX_PIECES) fail(new PayloadTooLarge('too many pieces'));
  };
  const broken = () => fail(refused('The upload was interrupted. Try again.'));
  source.on('data', count);
  source.on('error', broken);
  source.on('aborted', broken);
  source.pipe(form);
  const timer = setTimeout(() => fail(new UploadTooSlow()), TIME);

  try {
    await Promise.race([finished, failed]);
    await Promise.race([reading, failed]);
  } finally {
    clearTimeout(timer);
    source.unpipe(form);
    source.off('data', count).off('aborted', broken);
    form.destroy();
  }
  if (!plan) throw refused('accessToken is missing.');
  const admitted = plan;
  const wanted = [...parts.values()].filter(({ name, bytes }) => {
    const limit = admitted.limitOf(name);
    if (limit !== undefined && bytes.length > limit) throw new PayloadTooLarge('a part');
    return limit !== undefined;
  });
  return { plan, parts: wanted };
}

function openForm(headers: IncomingHttpHeaders) {
  const contentType = headers['content-type'];
  if (contentType === undefined) throw refused('This is not multipart/form-data.');
  try {
    return new Busboy({
      headers: { ...headers, 'content-type': contentType },
      // Every part is read as bytes. Decoded text would differ from the bytes that were hashed.
      isPartAFile: () => true,
      limits: { parts: MAX_PARTS, fieldNameSize: 100, headerPairs: 16, headerSize: MAX_PART_HEADER },
    });
  } catch {
    throw refused('This is not multipart/form-data.');
  }
}

/**
 * Copies the chunks of a part into one growing block. A list of chunks would cost some 150 bytes more for each chunk:
 * nothing for a chunk of 64 kB, but far too much for chunks of one byte.
 * @throws {PayloadTooLarge} before more bytes than the limit are kept.
 */
async function read(stream: Readable, limit: number, memory: UploadAccount): Promise<Buffer> {
  let block = Buffer.alloc(0);
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const needed = size + chunk.length;
    if (needed > limit) throw new PayloadTooLarge('a part');
    memory.take(chunk.length);
    if (needed > block.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(limit, Math.max(needed, 2 * block.length)));
      block.copy(grown, 0, 0, size);
      block = grown;
    }
    chunk.copy(block, size);
    size = needed;
  }
  return block.subarray(0, size);
}

const refused = (message: string) => new BadUserInput([{ field: 'body', message }]);
