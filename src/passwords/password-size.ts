/** Code points. SP 800-63B-4 section 3.1.1.2 and ASVS 6.2.9 require at least 64. */
export const MAX_PASSWORD_CODE_POINTS = 256;

/** Bytes of UTF-8. */
export const MAX_PASSWORD_BYTES = 1024;

/**
 * Returns the problem with the size or encoding of a password, as a sentence for people; null when it may be hashed.
 * Both login and registration call it before any other check of the password, since its own work does not grow with the
 * input (ASVS 15.2.2).
 */
export function passwordSizeProblem(password: string): string | null {
  // UTF-8 never takes fewer bytes than UTF-16 takes units, so this check alone refuses a megabyte.
  if (
    password.length > MAX_PASSWORD_BYTES ||
    Buffer.byteLength(password, 'utf8') > MAX_PASSWORD_BYTES ||
    codePoints(password) > MAX_PASSWORD_CODE_POINTS
  ) {
    return `Use at most ${MAX_PASSWORD_CODE_POINTS} characters (${MAX_PASSWORD_BYTES} bytes).`;
  }
  // A lone surrogate has no UTF-8 form, so two different passwords would get the same hash.
  return password.isWellFormed() ? null : 'The password is not valid Unicode text.';
}

/** The length as NIST counts it: one for each code point, so one for an emoji of four bytes. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) {
    count += 1;
  }
  return count;
}
