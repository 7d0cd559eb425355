/** Pixels of a side. */
export const MAX_SIDE = 12_000;
/**
 * Pixels altogether: a page of A4 at 600 dots per inch has 35 million. A progressive JPEG takes a decoder six bytes for
 * each, and one that must be turned nine.
 */
export const MAX_PIXELS = 36_000_000;
/** Bytes of a picture as it is kept. */
export const MAX_STORED = 6 * 1024 * 1024;
/** Exit code of the decoder for bytes that are not a picture (EX_DATAERR of sysexits.h). */
export const NOT_A_PICTURE = 65;
