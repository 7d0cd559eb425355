import QRCode from 'qrcode';

/** How a QR code reaches a page: an image for `<img src>`, or markup that stays sharp at any size. */
export interface QrCode {
  /** PNG as a `data:` URL. */
  readonly png: string;
  readonly svg: string;
}

/** Medium error correction: a quarter is for dirt and glare, which a screen has little of. */
export async function qrCodeOf(text: string): Promise<QrCode> {
  const options = { errorCorrectionLevel: 'M', margin: 4 } as const;
  const [png, svg] = await Promise.all([
    QRCode.toDataURL(text, { ...options, scale: 6 }),
    QRCode.toString(text, { ...options, type: 'svg' }),
  ]);
  return { png, svg: svg.trim() };
}
