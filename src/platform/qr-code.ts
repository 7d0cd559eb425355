import { constants } from 'node:zlib';

/** Medium error correction: a quarter is for dirt and glare, which a screen has little of. */
const OPTIONS = { errorCorrectionLevel: 'M', margin: 4 } as const;

/**
 * One grey byte for each pixel, and one filter (PNG section 9.2): black and white need no more. The library would otherwise try
 * five filters on four bytes, which takes half as long again and makes a file that is nearly twice as large.
 */
const PNG = { colorType: 0, filterType: 2, deflateStrategy: constants.Z_RLE } as const;

/** Loaded with the first code that is drawn, which keeps it out of the start. */
const library = async () => (await import('qrcode')).default;

/** For `<img src>`: a PNG as a `data:` URL. Drawing takes milliseconds: see that nobody asks for many of them. */
export async function qrCodePng(text: string): Promise<string> {
  const png = await (await library()).toBuffer(text, { ...OPTIONS, scale: 6, rendererOpts: { ...PNG } });
  return `data:image/png;base64,${png.toString('base64')}`;
}

/** Markup that stays sharp at any size. */
export const qrCodeSvg = async (text: string): Promise<string> =>
  (await (await library()).toString(text, { ...OPTIONS, type: 'svg' })).trim();
