import { crc32 } from 'node:zlib';
import { picture } from '../../examples/blockpass-fakes/index.ts';

/** A PNG chunk with its length and checksum. */
export function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** Bytes of the signature and of IHDR. */
const HEADER = 33;
/** Bytes of IEND. */
const END = 12;

/** A PNG with more chunks before its end. */
export const withChunks = (png: Buffer, ...chunks: readonly Buffer[]): Buffer =>
  Buffer.concat([png.subarray(0, -END), ...chunks, png.subarray(-END)]);

/** A PNG with more chunks between the header and the pixels, where profiles belong. */
export const withChunksFirst = (png: Buffer, ...chunks: readonly Buffer[]): Buffer =>
  Buffer.concat([png.subarray(0, HEADER), ...chunks, png.subarray(HEADER)]);

/** A PNG of 16 by 16 pixels whose header names another size. */
export function claiming(width: number, height: number): Buffer {
  const png = picture();
  const header = Buffer.from(png.subarray(16, 29));
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  return Buffer.concat([png.subarray(0, 8), pngChunk('IHDR', header), png.subarray(HEADER)]);
}
