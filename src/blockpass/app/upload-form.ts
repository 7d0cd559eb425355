import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import { BadUserInput, PayloadTooLarge } from '../../platform/errors.ts';
import { UploadTooSlow } from './app-errors.ts';
import type { UploadAccount } from './upload-memory.ts';

/** Bytes. A phone's picture has two to five million. */
export const MAX_FILE = 6 * 1024 * 1024;
/** Bytes of a text field: a structured address has about 300. */
export const MAX_TEXT = 4 * 1024;
/** Bytes of a certificate: one of a screening service has about 10,000. */
export const MAX_CERTIFICATE = 128 * 1024;
/** Bytes of a whole upload with everything around it. */
export const MAX_UPLOAD = 16 * 1024 * 1024;
/** Pieces that it arrives in: the largest upload by the smallest packets that every network carries (RFC 879). */
const MAX_PIECES = 32_000;
/** Milliseconds for a whole upload to arrive. */
const TIME = 30_000;
/** Parts: nine fields, each named in slugList once more, some certificates and the upload token. */
const MAX_PARTS = 64;
/** Bytes of the header of a part. */
const MAX_PART_HEADER = 2 * 1024;
/** Bytes that are kept for a sender who has not shown an upload token yet; it usually comes first. */
const MAX_BEFORE_PASS = 64 * 1024;

/** One part of an upload as it came: nothing is decoded, since hashes are over the bytes. */
export interface UploadedPart {
  readonly name: string;
  /** Whether it came with a file name. The name itself is not kept. */
  readonly isFile: boolean;
  readonly bytes: Buffer;
}

/** What of an upload is read; the rest is skipped. */
export interface UploadPlan {
  /** Bytes that a part may have; undefined for one that nobody asked for. */
  limitOf(name: string): number | undefined;
}

const PASS_PART = 'accessToken';
const MAX_PASS = 256;

/**
 * Reads a multipart upload within its limits, whatever its headers promise. No file is written; a part that is not
 * wanted is skipped as it arrives.
 * @param memory what is kept is taken from it
 * @param admit judges the upload token, and says what may come with it; called once
 * @throws {PayloadTooLarge} more than a limit.
 * @throws {BadUserInput} not such a form, a part twice, or no upload token in it.
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
    // Without a plan nobody knows yet what is wanted: what fits is kept, and judged at the end.
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

  // A part that is not read yet holds back the parser, and that the sender: at most one part is in memory unread.
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
    // A chunk of one byte costs as much work as one of 64 kB.
    if (pieces > MAX_PIECES) fail(new PayloadTooLarge('too many pieces'));
  };
  const broken = () => fail(refused('The upload broke off.'));
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
      // Every part as a stream of bytes: text would be decoded, and no longer be what was hashed.
      isPartAFile: () => true,
      limits: { parts: MAX_PARTS, fieldNameSize: 100, headerPairs: 16, headerSize: MAX_PART_HEADER },
    });
  } catch {
    throw refused('This is not multipart/form-data.');
  }
}

/**
 * Copies what arrives into one block that grows: whoever keeps the pieces keeps some 150 bytes beside each of them,
 * which is nothing for a piece of 64 kB and everything for a piece of one byte.
 * @throws {PayloadTooLarge} before more than the limit is kept.
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
