/** Maximum number of pixels of a side. */
export const MAX_SIDE = 12_000;
/**
 * Maximum number of pixels of a picture: an A4 page at 600 dots per inch has 35 million. For a progressive JPEG the decoder needs
 * six bytes for each pixel, and nine when it must be rotated.
 */
export const MAX_PIXELS = 36_000_000;
/** Maximum number of bytes of a stored picture. */
export const MAX_STORED = 6 * 1024 * 1024;
/** Exit code of the decoder for bytes that are not a picture (EX_DATAERR of sysexits.h). */
export const NOT_A_PICTURE = 65;
