import { InvalidValue } from '../platform/input.ts';

/** Code points. */
const MAX_LENGTH = 64;

/**
 * A name for people to read, in NFC without surrounding space; one that shows nothing counts as none.
 * @throws {InvalidValue} too long, or with control or unpaired characters.
 */
export function parseDisplayName(text: string | null | undefined): string | null {
  const tooLong = `A display name has at most ${MAX_LENGTH} characters.`;
  // Before normalising, which takes time that grows with the square of a long run of combining marks.
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
