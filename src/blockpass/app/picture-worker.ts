/**
 * Runs in a process of its own for one picture (picture-decoder.ts). The picture comes on stdin, and the encoded one
 * goes to stdout. Node strips the types itself when it runs this file from src, so use only erasable syntax here. From
 * the gateway it loads only `picture-limits.ts`.
 */
import { setPriority } from 'node:os';
import { buffer } from 'node:stream/consumers';
import sharp from 'sharp';
import { MAX_PIXELS, MAX_STORED, NOT_A_PICTURE } from './picture-limits.ts';

/** JPEG quality, 1 to 100. At 90 the small print of a document stays as readable as it was. */
const JPEG_QUALITY = 90;
/** Times that a picture is encoded: first in its size, then smaller until it fits. */
const ATTEMPTS = 3;

// Lower priority, because logins go first.
setPriority(5);
sharp.cache(false);
sharp.concurrency(1);
// libvips also reads SVG, TIFF and others. This blocks all of that code.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['VipsForeignLoadJpeg', 'VipsForeignLoadPng'] });

/**
 * Keeps only the pixels, rotated as EXIF says and in sRGB. Drops metadata, and bytes behind the picture or between its
 * parts.
 * @throws an error of libvips when the bytes are not a complete picture
 */
async function encodeAnew(received: Buffer): Promise<Buffer> {
  // `warning` is the strictest setting: truncated data and wrong checksums fail.
  const options = { failOn: 'warning', limitInputPixels: MAX_PIXELS, sequentialRead: true } as const;
  const { format } = await sharp(received, options).metadata();
  let width: number | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const image = sharp(received, options).autoOrient().resize({ width });
    const { data, info } = await (format === 'png'
      ? image.png({ adaptiveFiltering: true })
      : // Optimised tables would need all coefficients in memory, six bytes for each pixel.
        image.jpeg({ quality: JPEG_QUALITY, optimiseCoding: false })
    ).toBuffer({ resolveWithObject: true });
    if (data.length <= MAX_STORED) return data;
    width = Math.floor(info.width * Math.sqrt(MAX_STORED / data.length) * 0.9);
  }
  throw new Error('the picture cannot be made small enough');
}

const received = await buffer(process.stdin);
try {
  process.stdout.write(await encodeAnew(received));
} catch {
  process.exitCode = NOT_A_PICTURE;
}
