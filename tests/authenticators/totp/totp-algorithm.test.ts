import { describe, expect, it } from '@jest/globals';
import {
  keyUri,
  matchingStep,
  newSecret,
  toBase32,
} from '../../../src/authenticators/totp/totp-algorithm.ts';

/** The secret in the vectors of both RFCs. */
const SECRET = Buffer.from('12345678901234567890');

describe('a code', () => {
  it.each([
    '755224',
    '287082',
    '359152',
    '969429',
    '338314',
    '254676',
    '287922',
    '162583',
    '399871',
    '520489',
  ])('%# is the one of RFC 4226 appendix D', (code) => {
    const step = [...'0123456789'].findIndex((_, i) => matchingStep(SECRET, code, i * 30_000) === i);
    expect(step).toBeGreaterThanOrEqual(0);
  });

  // The vectors have eight digits. Their last six are the shorter code (RFC 4226 section 5.3).
  it.each([
    [59, '94287082'],
    [1111111109, '07081804'],
    [1111111111, '14050471'],
    [1234567890, '89005924'],
    [2000000000, '69279037'],
    [20000000000, '65353130'],
  ])('at second %i is the one of RFC 6238 appendix B', (second, code) => {
    expect(matchingStep(SECRET, code.slice(-6), second * 1000)).toBe(Math.floor(second / 30));
  });

  it.each([-3, -2, -1, 0, 1, 2, 3])(
    'of step %i is accepted one step earlier and later, and no further',
    (offset) => {
      // A vector at every second of a step before or after its own.
      const step = Math.floor(1111111111 / 30);
      const now = step - offset;
      for (let second = 0; second < 30; second++) {
        const found = matchingStep(SECRET, '050471', (now * 30 + second) * 1000 + 999);
        expect(found).toBe(Math.abs(offset) <= 1 ? step : null);
      }
    },
  );

  it('may be typed with spaces, as apps show it', () => {
    expect(matchingStep(SECRET, ' 287 082 ', 59_000)).toBe(1);
  });

  it.each(['', '28708', '2870820', '２８７０８２', '28708a', '-287082', '287082\u0000', 'x'.repeat(100_000)])(
    'is wrong in any other form',
    (code) => {
      expect(matchingStep(SECRET, code, 59_000)).toBeNull();
    },
  );
});

describe('a secret', () => {
  it('has 160 bits and is never the same', () => {
    const secrets = Array.from({ length: 1000 }, newSecret);
    expect(new Set(secrets.map((secret) => secret.toString('hex'))).size).toBe(1000);
    expect(secrets.every(({ length }) => length === 20)).toBe(true);
  });

  it('is shown as Base32 without padding, in the key URI too', () => {
    expect(toBase32(SECRET)).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
    const uri = new URL(keyUri(SECRET, 'auth.example.test', 'Ada Lovelace'));
    expect([uri.protocol, uri.host, decodeURIComponent(uri.pathname)]).toEqual([
      'otpauth:',
      'totp',
      '/auth.example.test:Ada Lovelace',
    ]);
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
      issuer: 'auth.example.test',
    });
  });
});
