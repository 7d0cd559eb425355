/**
 * Writes confusables.data.ts from the Unicode data inside the Node.js that runs it:
 *
 *     npx node src/accounts/confusables.make.mjs
 *
 * NOTICE.md says what that data is and when to make it again.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';

/**
 * `SpoofDataHeader` of ICU's i18n/uspoof_impl.h, little-endian. It holds magic, format version 2 and length, then
 * offset and size of the keys, of the values and of the strings.
 */
const MAGIC = Buffer.from([0xef, 0xfd, 0x45, 0x38, 2, 0, 0, 0]);

const program = readFileSync(process.execPath);
const start = program.indexOf(MAGIC);
if (start === -1) {
  throw new Error('This Node.js holds no confusables: it was built without the full ICU.');
}
const [keysAt, keyCount, valuesAt, valueCount, stringsAt, stringsLength] = Array.from(
  { length: 6 },
  (_, index) => program.readInt32LE(start + 12 + 4 * index),
);
if (keyCount !== valueCount) {
  throw new Error('This Node.js has confusables in a form that this script does not know.');
}
const strings = program.toString('utf16le', start + stringsAt, start + stringsAt + 2 * stringsLength);

/** A key holds a code point in its lower 24 bits, and the length of its prototype minus one in the upper 8 bits. */
const lines = Array.from({ length: keyCount }, (_, index) => {
  const key = program.readUInt32LE(start + keysAt + 4 * index);
  const value = program.readUInt16LE(start + valuesAt + 2 * index);
  const length = (key >>> 24) + 1;
  const prototype = length === 1 ? String.fromCharCode(value) : strings.slice(value, value + length);
  return String.fromCodePoint(key & 0xffffff) + prototype;
});
const data = brotliCompressSync(lines.join('\n')).toString('base64');
writeFileSync(
  new URL('confusables.data.ts', import.meta.url),
  `/**
 * Copyright © 2016-2025 Unicode, Inc.; source and licence in NOTICE.md. Made by confusables.make.mjs.
 * Brotli (RFC 7932) in base64.
 */
export const CONFUSABLES =
  '${data}';
`,
);
