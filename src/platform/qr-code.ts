import QRCode from 'qrcode';

/** Medium error correction: a quarter is for dirt and glare, which a screen has little of. */
const OPTIONS = { errorCorrectionLevel: 'M', margin: 4 } as const;

/** For `<img src>`: a PNG as a `data:` URL. Drawing takes milliseconds: see that nobody asks for many of them. */
export const qrCodePng = (text: string): Promise<string> => QRCode.toDataURL(text, { ...OPTIONS, scale: 6 });

/** Markup that stays sharp at any size. */
export const qrCodeSvg = async (text: string): Promise<string> =>
  (await QRCode.toString(text, { ...OPTIONS, type: 'svg' })).trim();
