import { describe, expect, it } from '@jest/globals';
import { Resvg } from '@resvg/resvg-js';
import jsQR from 'jsqr';
import { PNG } from 'pngjs';
import { qrCodePng, qrCodeSvg } from '../../../src/platform/qr-code.ts';

/** Reads it as a phone does, with a decoder that is independent of the library that drew it. */
function read(png: Buffer): string | undefined {
  const { data, width, height } = PNG.sync.read(png);
  return jsQR.default(new Uint8ClampedArray(data), width, height)?.data;
}

describe('the QR code', () => {
  it.each([
    'otpauth://totp/auth.example.test:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=auth.example.test',
    `otpauth://totp/auth.example.test:${encodeURIComponent('ж'.repeat(32))}?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=auth.example.test`,
  ])('of %s decodes to exactly that text, as PNG and as SVG', async (uri) => {
    const [png, svg] = [await qrCodePng(uri), await qrCodeSvg(uri)];
    expect(png).toMatch(/^data:image\/png;base64,/);
    expect(read(Buffer.from(png.split(',')[1] ?? '', 'base64'))).toBe(uri);
    expect(svg).toMatch(/^<svg [^>]*>.*<\/svg>$/s);
    const drawn = new Resvg(svg, { fitTo: { mode: 'width', value: 600 }, background: 'white' }).render();
    expect(read(drawn.asPng())).toBe(uri);
  });

  it('as PNG has one bit for each pixel, so that it is fast to draw and small', async () => {
    const png = Buffer.from((await qrCodePng('x'.repeat(120))).split(',')[1] ?? '', 'base64');
    // Depth and colour type of IHDR, which follow signature, length, type, width and height (PNG section 11.2.1).
    expect([...png.subarray(24, 26)]).toEqual([1, 0]);
    expect(png.length).toBeLessThan(2_000);
  });

  it('as SVG has no script and loads nothing', async () => {
    const svg = await qrCodeSvg('text');
    expect(svg).not.toMatch(/script|href|url\(|<!|on\w+=/i);
  });
});
