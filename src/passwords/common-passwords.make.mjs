/**
 * Writes common-passwords.data.ts from a list with one password per line, the most frequent first:
 *
 *     node src/passwords/common-passwords.make.mjs 10_million_password_list_top_1M.txt
 *
 * NOTICE.md names the source of that list.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';

/** Entries from the top that count as frequent. A pair of them is refused too. */
const FREQUENT = 10_000;

/** Entries from the top that are kept at any length. */
const COMMON = 30_000;

/** Characters. Other entries must be long enough for the default policy, so that the list stays small. */
const MIN_LENGTH_BELOW = 12;

const source = process.argv[2];
if (source === undefined) {
  throw new Error('Name the file that holds the list.');
}
const ranked = [
  ...new Set(
    readFileSync(source, 'latin1')
      .split(/\r?\n/)
      .map((line) => line.normalize('NFKC').toLowerCase()),
  ),
];
const long = ranked.slice(COMMON).filter((entry) => entry.length >= MIN_LENGTH_BELOW);
const tiers = [ranked.slice(0, FREQUENT), [...ranked.slice(FREQUENT, COMMON), ...long]];
const text = tiers
  .map((tier) =>
    tier
      .filter((entry) => entry.length >= 4)
      .sort()
      .join('\n'),
  )
  .join('\n\n');
const data = brotliCompressSync(text, {
  params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: text.length },
}).toString('base64');
writeFileSync(
  new URL('common-passwords.data.ts', import.meta.url),
  `/** Made by common-passwords.make.mjs; source and licence in NOTICE.md. Brotli (RFC 7932) in base64. */
export const COMMON_PASSWORDS =
  '${data}';
`,
);
