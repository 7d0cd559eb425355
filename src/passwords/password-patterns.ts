/**
 * Patterns that a list cannot contain in all lengths: runs along the keyboard, the alphabet or the digits, and
 * repetitions. Every function takes case-folded text and works in linear time.
 */

/** Sequences of neighbouring keys: rows, the shifted digits, slanted columns; QWERTY, QWERTZ, AZERTY, ЙЦУКЕН. */
const KEYBOARD_LINES = [
  '`1234567890-=',
  '~!@#$%^&*()_+',
  'qwertyuiop[]\\',
  "asdfghjkl;'",
  'zxcvbnm,./',
  ...['1qaz', '2wsx', '3edc', '4rfv', '5tgb', '6yhn', '7ujm', '8ik,', '9ol.', '0p;/'],
  'qwertzuiopü',
  'yxcvbnm',
  'azertyuiop',
  'qsdfghjklm',
  'йцукенгшщзхъ',
  'фывапролджэ',
  'ячсмитьбю',
];

const KEYBOARD_STEPS = new Set(
  KEYBOARD_LINES.flatMap((line) =>
    [...line].slice(1).flatMap((next, index) => {
      const here = line.charAt(index);
      return [here + next, next + here];
    }),
  ),
);

/** Characters. Shorter runs are too frequent in ordinary words ("tree", "were"). */
const MIN_RUN = 4;

/** Characters next to the runs that do not make the text less predictable. */
const MAX_BESIDE_RUNS = 3;

/** Code points. A unit of at least this length is judged by its own content instead of its repetition. */
const MIN_LONG_UNIT = 8;

/** Whether all except a few characters are in runs: `123456789012345`, `qwertyuiopasdfgh`, `1q2w3e4r5t6y`. */
export function isSequence(text: string): boolean {
  const beside = [...collapseRuns(text, '')].length;
  if (beside < [...text].length && beside <= MAX_BESIDE_RUNS) {
    return true;
  }
  const [even, odd] = [0, 1].map((parity) => [...text].filter((_, index) => index % 2 === parity));
  return [even, odd].every(
    (half = []) =>
      half.length >= MIN_RUN && half.every((next, index) => index === 0 || isStep(half[index - 1], next)),
  );
}

/** Replaces each run by the mark. The result shows how much there is to guess. */
export function collapseRuns(text: string, mark: string): string {
  const characters = [...text];
  let collapsed = '';
  let start = 0;
  for (let end = 1; end <= characters.length; end += 1) {
    if (end < characters.length && isStep(characters[end - 1], characters[end] ?? '')) {
      continue;
    }
    collapsed += end - start >= MIN_RUN ? mark : characters.slice(start, end).join('');
    start = end;
  }
  return collapsed;
}

/**
 * The unit that the whole text repeats, possibly cut short at its end (`abcabcab`); null without one. Uses the failure
 * function of Knuth, Morris and Pratt (1977).
 */
export function repeatedUnit(text: string): string | null {
  const characters = [...text];
  const failure = [0];
  for (let index = 1, matched = 0; index < characters.length; index += 1) {
    while (matched > 0 && characters[index] !== characters[matched]) {
      matched = failure[matched - 1] ?? 0;
    }
    matched += characters[index] === characters[matched] ? 1 : 0;
    failure.push(matched);
  }
  const period = characters.length - (failure.at(-1) ?? 0);
  return period * 2 <= characters.length ? characters.slice(0, period).join('') : null;
}

/** Whether the text repeats a short unit: `abcabcabcabc`. */
export function isShortRepetition(text: string): boolean {
  const unit = repeatedUnit(text);
  return unit !== null && [...unit].length < MIN_LONG_UNIT && [...unit].some(isOnKeyboards);
}

/**
 * Whether the character may be on a keyboard. All keys of all layouts are in the Basic Multilingual Plane. Emoji and
 * other characters outside of that plane may repeat: guessing lists have no repeated emoji, so 15 equal emoji count
 * like 15 different characters.
 */
function isOnKeyboards(character: string): boolean {
  return (character.codePointAt(0) ?? 0) <= 0xffff;
}

function isStep(here: string | undefined, next: string): boolean {
  if (here === undefined || here === next) {
    return isOnKeyboards(next);
  }
  const alphabetic = /^[\p{L}\p{N}]{2}$/u.test(here + next);
  return (
    KEYBOARD_STEPS.has(here + next) ||
    (alphabetic && Math.abs((here.codePointAt(0) ?? 0) - (next.codePointAt(0) ?? 0)) === 1)
  );
}
