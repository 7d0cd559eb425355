/** The character that a decoder writes in place of bytes that are not UTF-8 (Unicode 17, section 3.9: U+FFFD). */
const REPLACEMENT = '\uFFFD';

/** Whether text was decoded without loss. Spreadsheets often write Windows-1252, which would silently spoil names. */
export const isUtf8 = (text: string): boolean => !text.includes(REPLACEMENT);

export const NOT_UTF8 = 'is not UTF-8. Save the file in that encoding.';
