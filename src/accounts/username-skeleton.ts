import { brotliDecompressSync } from 'node:zlib';
import { CONFUSABLES } from './confusables.data.ts';

/** Maps a character to the text that it is mistaken for (Unicode Technical Standard 39, confusables.txt). */
const PROTOTYPES: ReadonlyMap<string, string> = new Map(
  brotliDecompressSync(Buffer.from(CONFUSABLES, 'base64'))
    .toString('utf8')
    .split('\n')
    .map((line) => {
      const character = String.fromCodePoint(line.codePointAt(0) ?? 0);
      return [character, line.slice(character.length)];
    }),
);

/** A combining dot above a letter with its own dot (`i`, `j`). It replaces that dot, so people do not see it. */
const DOT_ON_DOT = /(\p{Soft_Dotted}\p{M}*?)\u0307/gu;

/**
 * The appearance of a username. People mistake two usernames with a common skeleton for one another. Skeletons are
 * for comparison only; they are never shown.
 *
 * The username as shown has a skeleton, and so has its key, because UTS 39 compares text as written. `paypaI` with a
 * capital i looks like `paypal`. `paypaı` without a dot looks like `paypai`, which is its key.
 *
 * @param key the username without regard to case, as parseUsername makes it
 * @returns one or two different skeletons.
 */
export function usernameSkeletons(username: string, key: string): string[] {
  return [...new Set([skeleton(username), skeleton(key)])];
}

/**
 * The skeleton of UTS 39 section 4, with two additions. First, case is folded after mapping to prototypes, because
 * usernames ignore case and `0` has the prototype `O`. Second, a dot above a letter with its own dot is removed
 * (section 5.4). Bidirectional text is not reordered: parseUsername lets such a name begin only with a letter.
 */
function skeleton(text: string): string {
  return toPrototypes(toPrototypes(text).toLowerCase());
}

function toPrototypes(text: string): string {
  const decomposed = text.normalize('NFD').replace(DOT_ON_DOT, '$1');
  return Array.from(decomposed, (character) => PROTOTYPES.get(character) ?? character)
    .join('')
    .normalize('NFD');
}
