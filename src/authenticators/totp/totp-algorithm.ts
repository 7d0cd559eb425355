import { randomBytes } from 'node:crypto';
import { generateURI, ScureBase32Plugin, verifySync } from 'otplib';

/** RFC 4226 section 4, R6: 160 bits. */
const SECRET_BYTES = 20;
/** In seconds (RFC 6238 section 5.2). */
const STEP = 30;

export const newSecret = (): Buffer => randomBytes(SECRET_BYTES);

export function toBase32(secret: Uint8Array): string {
  return new ScureBase32Plugin().encode(secret, { padding: false });
}

/**
 * The key URI that authenticator apps read from a QR code. SHA-1, six digits and 30 seconds are the defaults, and the
 * only values that all apps support.
 * @param issuer as the app shows it. It has no colon, which separates it from the account.
 */
export function keyUri(secret: Uint8Array, issuer: string, account: string): string {
  return generateURI({ issuer, label: account, secret: toBase32(secret) });
}

/**
 * Finds the time step of a code (RFC 6238) among the current step and one on each side. The step before allows for the
 * delay of typing (section 5.2). The step after allows for a clock that is fast.
 * @param now milliseconds since the epoch, of the gateway
 */
export function matchingStep(secret: Uint8Array, code: string, now: number): number | null {
  // Apps show `123 456`.
  const digits = code.replace(/\s/g, '');
  if (!/^[0-9]{6}$/.test(digits)) return null;
  const epoch = Math.floor(now / 1000);
  const result = verifySync({ secret, token: digits, epoch, period: STEP, epochTolerance: STEP });
  return result.valid && 'timeStep' in result ? result.timeStep : null;
}
