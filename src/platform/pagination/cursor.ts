import { InvalidValue } from '../input.ts';

/** Characters. Two keys of the greatest length have about 800. */
const MAX_LENGTH = 1_024;

/**
 * Makes the opaque cursor of a position in a list (Relay cursor connections): the order of the list, and the key of the
 * last row seen. Since it names a row instead of a number of rows, it stays correct while rows are added and removed.
 */
export function encodeCursor(order: string, ...key: string[]): string {
  return Buffer.from(JSON.stringify([order, ...key])).toString('base64url');
}

/** @throws {InvalidValue} for a text that encodeCursor did not write. */
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
