import { brotliDecompressSync } from 'node:zlib';
import { COMMON_PASSWORDS } from './common-passwords.data.ts';
import { collapseRuns } from './password-patterns.ts';

/**
 * Maximum padding of a common password, in the unit of `paddingLength`: a run counts as one character and a year as
 * two. Longer padding is as hard to guess as a password of its own.
 */
const MAX_PADDING = 6;

/**
 * Minimum length, in characters, of a common password inside of a longer one. Shorter ones occur in many uncommon
 * passwords.
 */
const MIN_CORE = 4;

/**
 * Maximum length of a core, in characters. The longest entry of the lists has 39, and two frequent passwords with
 * padding between them have fewer.
 */
const MAX_CORE = 40;

const LEET: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
};

interface Lists {
  /** The ten thousand most frequent passwords. */
  frequent: ReadonlySet<string>;
  /** The rest of the thirty thousand most frequent, and all of the million with at least 12 characters. */
  common: ReadonlySet<string>;
}

interface Core {
  core: string;
  /** The `paddingLength` of the removed ends. */
  padding: number;
}

let lists: Lists | undefined;

/**
 * Whether guessing lists contain the text or reach it in one obvious step: without separators, with digits and symbols
 * at its ends, with letters written as digits, or as two frequent passwords joined. Three ordinary words pass. Takes
 * case-folded text.
 */
export function isCommonPassword(text: string): boolean {
  if (isListed(text) || isListed(text.replace(/[\s\-_.,]+/g, ''))) {
    return true;
  }
  return cores(text).some(
    ({ core, padding }) => isCommonCore(core, padding) || isCommonCore(plainLetters(core), padding),
  );
}

/** How much must be guessed next to a common password, in characters. */
export function paddingLength(padding: string): number {
  return [...collapseRuns(padding.replace(/(?:19|20)\d\d/g, 'yy'), '*')].reduce(
    // An emoji is one of some thousands, so it counts like three digits.
    (length, character) => length + ((character.codePointAt(0) ?? 0) > 0xffff ? 3 : 1),
    0,
  );
}

/** Replaces the usual digits and symbols for letters: `p4$$w0rd`. */
export function plainLetters(text: string): string {
  return text.replace(/[013457@$!]/g, (character) => LEET[character] ?? character);
}

/**
 * The texts that remain without the digits and symbols at the ends, as long as the removed ends are short enough to
 * guess.
 */
function cores(text: string): Core[] {
  const leading = /^[^\p{L}]*/u.exec(text)?.[0] ?? '';
  const trailing = /[^\p{L}]*$/u.exec(text.slice(leading.length))?.[0] ?? '';
  const found: Core[] = [];
  for (const start of new Set([0, leading.length])) {
    // `qwerty123456!` contains an entry that ends in digits, so try every end instead of only the last letter.
    for (let end = text.length; end >= text.length - trailing.length; end -= 1) {
      const length = end - start;
      if (length < MIN_CORE || length > MAX_CORE) {
        continue;
      }
      const padding = paddingLength(text.slice(0, start)) + paddingLength(text.slice(end));
      if (padding <= MAX_PADDING) {
        found.push({ core: text.slice(start, end), padding });
      }
    }
  }
  return found;
}

function isCommonCore(core: string, padding: number): boolean {
  return /\p{L}/u.test(core) && (isListed(core) || isFrequentPair(core, padding));
}

/**
 * Whether the text is two frequent passwords in a row, with little or nothing between them: `iloveyouforever`,
 * `summer2024summer`.
 */
function isFrequentPair(core: string, padding: number): boolean {
  const { frequent } = loaded();
  for (let split = MIN_CORE; split <= core.length - MIN_CORE; split += 1) {
    if (!frequent.has(core.slice(0, split))) {
      continue;
    }
    const rest = core.slice(split);
    const between = /^[^\p{L}]*/u.exec(rest)?.[0] ?? '';
    if (frequent.has(rest)) {
      return true;
    }
    if (padding + paddingLength(between) <= MAX_PADDING && frequent.has(rest.slice(between.length))) {
      return true;
    }
  }
  return false;
}

function isListed(text: string): boolean {
  const { frequent, common } = loaded();
  return frequent.has(text) || common.has(text);
}

function loaded(): Lists {
  lists ??= unpack();
  return lists;
}

function unpack(): Lists {
  const [frequent = '', common = ''] = brotliDecompressSync(Buffer.from(COMMON_PASSWORDS, 'base64'))
    .toString('utf8')
    .split('\n\n');
  return { frequent: new Set(frequent.split('\n')), common: new Set(common.split('\n')) };
}
