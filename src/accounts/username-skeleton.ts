import { brotliDecompressSync } from 'node:zlib';
import { CONFUSABLES } from './confusables.data.ts';

/** From a character to the text that it is mistaken for (Unicode Technical Standard 39, confusables.txt). */
const PROTOTYPES: ReadonlyMap<string, string> = new Map(
  brotliDecompressSync(Buffer.from(CONFUSABLES, 'base64'))
    .toString('utf8')
    .split('\n')
    .map((line) => {
      const character = String.fromCodePoint(line.codePointAt(0) ?? 0);
      return [character, line.slice(character.length)];
    }),
);

/** A dot above a letter that has a dot of its own (`i`, `j`) replaces that dot, so it is not seen. */
const DOT_ON_DOT = /(\p{Soft_Dotted}\p{M}*?)\u0307/gu;

/**
 * What a username looks like: two usernames with a skeleton in common are taken for one another. For comparison only; a
 * skeleton is neither a name nor shown.
 *
 * There is one for the name as it is shown and one for its key, since UTS 39 compares text as it is written: `paypaI` with a
 * capital i looks like `paypal`, and `paypaı` without a dot like the `paypai` that is its key.
 *
 * @param key the username without regard to case, as parseUsername makes it
 * @returns one or two different ones.
 */
export function usernameSkeletons(username: string, key: string): string[] {
  return [...new Set([skeleton(username), skeleton(key)])];
}

/**
 * The skeleton of UTS 39 section 4, with two additions. Case is folded behind it, since usernames ignore case: `0` has the
 * prototype `O`. And a dot on a dot is removed (section 5.4). Bidirectional text needs no reordering here: parseUsername
 * lets such a name begin with a letter only.
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
