/**
 * Runs in a process of its own for one picture (picture-decoder.ts): the picture comes on stdin, the one that was encoded
 * anew goes to stdout. Node strips the types itself when it runs this file from src, so only erasable syntax may stand
 * here, and nothing of the gateway but `picture-limits.ts` is loaded.
 */
import { setPriority } from 'node:os';
import { buffer } from 'node:stream/consumers';
import sharp from 'sharp';
import { MAX_PIXELS, MAX_STORED, NOT_A_PICTURE } from './picture-limits.ts';

/** Of a JPEG, 1 to 100: at 90 the small print of a document stays as readable as it came. */
const JPEG_QUALITY = 90;
/** Times that a picture is encoded: as large as it came, then smaller until it fits. */
const ATTEMPTS = 3;

// Logins go first.
setPriority(5);
sharp.cache(false);
sharp.concurrency(1);
// libvips also reads SVG, TIFF and others: none of their code is reached.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['VipsForeignLoadJpeg', 'VipsForeignLoadPng'] });

/**
 * Only the pixels are carried over, turned as EXIF says and in sRGB. Metadata, and bytes behind the picture or between its
 * parts, are not.
 * @throws what libvips says when the bytes are not a whole picture
 */
async function encodeAnew(received: Buffer): Promise<Buffer> {
  // `warning` is the strictest: truncated data and false checksums fail.
  const options = { failOn: 'warning', limitInputPixels: MAX_PIXELS, sequentialRead: true } as const;
  const { format } = await sharp(received, options).metadata();
  let width: number | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const image = sharp(received, options).autoOrient().resize({ width });
    const { data, info } = await (format === 'png'
      ? image.png({ adaptiveFiltering: true })
      : // Optimised tables would need all coefficients in memory, six bytes for a pixel.
        image.jpeg({ quality: JPEG_QUALITY, optimiseCoding: false })
    ).toBuffer({ resolveWithObject: true });
    if (data.length <= MAX_STORED) return data;
    width = Math.floor(info.width * Math.sqrt(MAX_STORED / data.length) * 0.9);
  }
  throw new Error('it cannot be made small enough');
}

const received = await buffer(process.stdin);
try {
  process.stdout.write(await encodeAnew(received));
} catch {
  process.exitCode = NOT_A_PICTURE;
}
