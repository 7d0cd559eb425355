import { crc32 } from 'node:zlib';
import { MAX_PIXELS, MAX_SIDE } from './picture-limits.ts';

const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
/** IEND, the type of the last chunk. */
const PNG_END = 0x49454e44;
const JPEG_START = Buffer.from('ffd8ff', 'hex');
const JPEG_END = Buffer.from('ffd9', 'hex');

export type ImageType = 'image/jpeg' | 'image/png';

interface Image {
  readonly type: ImageType;
  readonly width: number;
  readonly height: number;
}

/**
 * Recognises a picture by its bytes. The file name and the type from the sender are not trusted. It reads only headers,
 * which is cheap; the decoder decides whether the rest is a picture (picture-decoder.ts).
 * @returns null for everything that does not look like a JPEG or PNG of an allowed size.
 */
export function imageTypeOf(bytes: Buffer): ImageType | null {
  const image = bytes.subarray(0, 8).equals(PNG_SIGNATURE) ? readPng(bytes) : readJpeg(bytes);
  if (!image || image.width < 1 || image.height < 1) return null;
  if (image.width > MAX_SIDE || image.height > MAX_SIDE || image.width * image.height > MAX_PIXELS)
    return null;
  // PDF readers accept a document that begins anywhere in the first kilobyte.
  if (bytes.subarray(0, 1024).includes('%PDF-')) return null;
  return image.type;
}

/**
 * Reads a PNG (RFC 2083 sections 3.2 to 3.4): chunk after chunk from the header to the end, each with a correct
 * checksum, and nothing else. Decoders skip wrong checksums of chunks that they do not need.
 */
function readPng(bytes: Buffer): Image | null {
  if (bytes.length < 45 || bytes.toString('latin1', 12, 16) !== 'IHDR') return null;
  let at = PNG_SIGNATURE.length;
  while (at + 12 <= bytes.length) {
    const isLast = bytes.readUInt32BE(at + 4) === PNG_END;
    // Length and type come before the data. A checksum over type and data comes after it.
    const end = at + 8 + bytes.readUInt32BE(at);
    if (end + 4 > bytes.length || crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end)) return null;
    at = end + 4;
    if (isLast) break;
  }
  if (at !== bytes.length || bytes.readUInt32BE(at - 8) !== PNG_END) return null;
  return { type: 'image/png', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

/**
 * Reads a JPEG (ITU T.81 annex B): segments up to the frame header, which has the size, and the marker at the end of
 * every picture.
 */
function readJpeg(bytes: Buffer): Image | null {
  if (!bytes.subarray(0, 3).equals(JPEG_START) || !bytes.subarray(-2).equals(JPEG_END)) return null;
  let at = 2;
  while (at + 9 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1; // Fill byte.
      continue;
    }
    if (isFrameHeader(marker)) {
      return { type: 'image/jpeg', height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) };
    }
    const length = bytes.readUInt16BE(at + 2);
    if (length < 2 || marker === 0xda || marker === 0xd9) return null;
    at += 2 + length;
  }
  return null;
}

/** SOF0 to SOF15, without the three markers between them that mean something else (DHT, JPG, DAC). */
const isFrameHeader = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
