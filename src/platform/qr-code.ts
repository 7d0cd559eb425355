import { constants } from 'node:zlib';

/** Medium error correction. The quartile level is for dirt and glare, which screens have little of. */
const OPTIONS = { errorCorrectionLevel: 'M', margin: 4 } as const;

/**
 * One grey byte for each pixel, and one filter (PNG section 9.2), which suffice for black and white. The library's
 * default tries five filters on four bytes. That takes half as long again, and the file is nearly twice as large.
 */
const PNG = { colorType: 0, filterType: 2, deflateStrategy: constants.Z_RLE } as const;

/** Loaded with the first code that is drawn, which keeps it out of the start. */
const library = async () => (await import('qrcode')).default;

/**
 * Makes a PNG as a `data:` URL, for `<img src>`. Drawing takes milliseconds, so callers must limit how often it runs.
 */
export async function qrCodePng(text: string): Promise<string> {
  const png = await (await library()).toBuffer(text, { ...OPTIONS, scale: 6, rendererOpts: { ...PNG } });
  return `data:image/png;base64,${png.toString('base64')}`;
}

/** Makes SVG markup, which stays sharp at any size. */
export const qrCodeSvg = async (text: string): Promise<string> =>
  (await (await library()).toString(text, { ...OPTIONS, type: 'svg' })).trim();
