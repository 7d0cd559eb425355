import { InvalidValue } from '../platform/input.ts';

/** In code points. */
const MAX_LENGTH = 64;

/**
 * Parses a name for people to read: NFC, without surrounding space. A name without visible characters counts as none.
 * @throws {InvalidValue} too long, or with control or unpaired characters.
 */
export function parseDisplayName(text: string | null | undefined): string | null {
  const tooLong = `A display name has at most ${MAX_LENGTH} characters.`;
  // Checked before normalising, whose time grows with the square of a long run of combining marks.
  if (text && text.length > MAX_LENGTH * 8) throw new InvalidValue(tooLong);
  const name = (text ?? '').normalize('NFC').trim();
  if (/^\p{Default_Ignorable_Code_Point}*$/u.test(name)) return null;
  if ([...name].length > MAX_LENGTH) throw new InvalidValue(tooLong);
  // Directional overrides and other format characters could make one name look like another.
  if (/[\p{Cc}\p{Cs}\p{Co}\p{Cn}\u202A-\u202E\u2066-\u2069]/u.test(name)) {
    throw new InvalidValue('A display name has no control characters.');
  }
  return name;
}
