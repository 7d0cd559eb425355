import { randomBytes } from 'node:crypto';
import { generateURI, ScureBase32Plugin, verifySync } from 'otplib';

/** HOTP section 4, R6: 160 bits. */
const SECRET_BYTES = 20;
/** Seconds (RFC 6238 section 5.2). */
const STEP = 30;

export const newSecret = (): Buffer => randomBytes(SECRET_BYTES);

export function toBase32(secret: Uint8Array): string {
  return new ScureBase32Plugin().encode(secret, { padding: false });
}

/**
 * The key URI that authenticator apps read from a QR code: SHA-1, six digits, 30 seconds, which are the defaults and the
 * only values that all apps know.
 * @param issuer as the app shows it; without a colon, which separates it from the account.
 */
export function keyUri(secret: Uint8Array, issuer: string, account: string): string {
  return generateURI({ issuer, label: account, secret: toBase32(secret) });
}

/**
 * The time step whose code it is (RFC 6238), out of the current one and one to each side: a step for the delay of
 * whoever types (section 5.2), and one for a clock that is ahead.
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
