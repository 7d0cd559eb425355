import { InvalidValue } from '../input.ts';

/** Characters: two keys of the greatest length have about 800. */
const MAX_LENGTH = 1_024;

/**
 * Opaque text for a place in a list (Relay cursor connections): which order the list has, and the key of the last row seen.
 * It names a place, not a number of rows, so that it stays right while rows come and go.
 */
export function encodeCursor(order: string, ...key: string[]): string {
  return Buffer.from(JSON.stringify([order, ...key])).toString('base64url');
}

/** @throws {InvalidValue} for what encodeCursor did not write. */
export function decodeCursor(cursor: string): { order: string; key: string[] } {
  const refused = new InvalidValue('This is not a cursor of this list.');
  if (cursor.length > MAX_LENGTH) throw refused;
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (!Array.isArray(parts) || !parts.every((part) => typeof part === 'string')) throw refused;
    const [order, ...key] = parts;
    if (order === undefined) throw refused;
    return { order, key };
  } catch {
    throw refused;
  }
}
