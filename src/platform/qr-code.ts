import { crc32, deflateSync } from 'node:zlib';
import type { BitMatrix } from 'qrcode';

/** Medium error correction. The quartile level is for dirt and glare, which screens have little of. */
const CORRECTION = { errorCorrectionLevel: 'M' } as const;
/** Modules of white around the code (ISO/IEC 18004 section 6.3.8). */
const MARGIN = 4;
/** Pixels of a module, across and down. */
const SCALE = 6;

/** Loaded with the first code that is drawn, which keeps it out of the start. */
const library = async () => (await import('qrcode')).default;

/**
 * Makes a PNG as a `data:` URL, for `<img src>`. The library would draw four bytes for each pixel and then read each pixel
 * again, which takes 7 ms of processor time. With one bit for each pixel it takes 2 ms, so callers must still limit how often it
 * runs.
 */
export async function qrCodePng(text: string): Promise<string> {
  const { modules } = (await library()).create(text, CORRECTION);
  const side = (modules.size + 2 * MARGIN) * SCALE;
  const rows: Buffer[] = [];
  for (let y = -MARGIN; y < modules.size + MARGIN; y += 1)
    rows.push(...Array<Buffer>(SCALE).fill(pixelRow(modules, y, side)));
  return `data:image/png;base64,${pngOf(side, Buffer.concat(rows)).toString('base64')}`;
}

/** Makes SVG markup, which stays sharp at any size. */
export const qrCodeSvg = async (text: string): Promise<string> =>
  (await (await library()).toString(text, { ...CORRECTION, margin: MARGIN, type: 'svg' })).trim();

/** Makes a row: the type of its filter, which is none, and one bit for each pixel. 1 is white (PNG section 7.2). */
function pixelRow(modules: BitMatrix, y: number, side: number): Buffer {
  const row = Buffer.alloc(1 + Math.ceil(side / 8), 0xff);
  row[0] = 0;
  if (y < 0 || y >= modules.size) return row;
  for (let x = 0; x < modules.size; x += 1) {
    if (modules.get(y, x) === 0) continue;
    const start = (MARGIN + x) * SCALE;
    for (let at = start; at < start + SCALE; at += 1) {
      const byte = 1 + (at >> 3);
      row[byte] = (row[byte] ?? 0) & ~(0x80 >> (at & 7));
    }
  }
  return row;
}

/** Makes a square PNG of depth 1 in greyscale, not interlaced (PNG sections 5.2 and 11.2). */
function pngOf(side: number, rows: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.writeUInt8(1, 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}
