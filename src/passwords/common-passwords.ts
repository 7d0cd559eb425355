import { brotliDecompressSync } from 'node:zlib';
import { COMMON_PASSWORDS } from './common-passwords.data.ts';
import { collapseRuns } from './password-patterns.ts';

/** Characters, runs counted as one and years as two; more than that beside a common password is a secret of its own. */
const MAX_PADDING = 6;

/** Characters; shorter letters are too ordinary to say anything about the whole. */
const MIN_CORE = 4;

/** Characters; the longest entry of the lists has 39, two frequent ones with something between them fewer. */
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
  /** The ten thousand most frequent. */
  frequent: ReadonlySet<string>;
  /** The others of the thirty thousand most frequent, and all of the million that have at least 12 characters. */
  common: ReadonlySet<string>;
}

interface Core {
  core: string;
  /** What paddingLength says of the ends that came off. */
  padding: number;
}

let lists: Lists | undefined;

/**
 * Whether guessing lists hold the text or reach it in one obvious step: with separators left out, with digits and
 * symbols at its ends, with letters written as digits, or as two frequent passwords joined. Three ordinary words
 * pass. Takes case-folded text.
 */
export function isCommonPassword(text: string): boolean {
  if (isListed(text) || isListed(text.replace(/[\s\-_.,]+/g, ''))) {
    return true;
  }
  return cores(text).some(
    ({ core, padding }) => isCommonCore(core, padding) || isCommonCore(plainLetters(core), padding),
  );
}

/** How much there is to guess in what stands beside a common password, in characters. */
export function paddingLength(padding: string): number {
  return [...collapseRuns(padding.replace(/(?:19|20)\d\d/g, 'yy'), '*')].reduce(
    // An emoji is one of some thousands, which is what three digits are.
    (length, character) => length + ((character.codePointAt(0) ?? 0) > 0xffff ? 3 : 1),
    0,
  );
}

/** Undoes the usual digits and symbols for letters: `p4$$w0rd`. */
export function plainLetters(text: string): string {
  return text.replace(/[013457@$!]/g, (character) => LEET[character] ?? character);
}

/** What is left when digits and symbols come off the ends, as long as that is little enough to be guessed. */
function cores(text: string): Core[] {
  const leading = /^[^\p{L}]*/u.exec(text)?.[0] ?? '';
  const trailing = /[^\p{L}]*$/u.exec(text.slice(leading.length))?.[0] ?? '';
  const found: Core[] = [];
  for (const start of new Set([0, leading.length])) {
    // `qwerty123456!` holds an entry that ends in digits: try every end, not only the last letter.
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

/** Two frequent passwords in a row, with or without a little between them: `iloveyouforever`, `summer2024summer`. */
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
