import { InvalidValue } from '../platform/input.ts';
import { isReserved } from './reserved-usernames.ts';
import { usernameSkeletons } from './username-skeleton.ts';

export interface Username {
  /** As shown: NFKC (Unicode Standard Annex 15). */
  username: string;
  /** The form by which usernames are unique, without regard to case or Unicode form. */
  key: string;
  /** One or two skeletons. No other username may have one of them. */
  skeletons: string[];
}

/** In code points. */
const MIN_LENGTH = 3;
const MAX_LENGTH = 32;
const LENGTH_RULE = `A username has ${MIN_LENGTH} to ${MAX_LENGTH} characters.`;

/** The characters that any release allowed, so that every stored username can be looked up. */
const EVER_ALLOWED = /^(?!\p{M})[\p{L}\p{M}\p{N}._-]+$/u;
/** Characters that are not visible. Some of them count as letters (Hangul fillers). */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;

/**
 * Scripts in use today: the recommended scripts and the scripts of limited use (Unicode Standard Annex 31, tables 5 and
 * 7). Each line is one writing system, whose scripts may be mixed (UTS 39 section 5.1).
 */
const WRITING_SYSTEMS = `
  Han Bopomofo
  Han Hiragana Katakana
  Han Hangul
  Adlam
  Arabic
  Armenian
  Balinese
  Bamum
  Batak
  Bengali
  Canadian_Aboriginal
  Chakma
  Cham
  Cherokee
  Cyrillic
  Devanagari
  Ethiopic
  Georgian
  Greek
  Gujarati
  Gurmukhi
  Hanifi_Rohingya
  Hebrew
  Javanese
  Kannada
  Kayah_Li
  Khmer
  Lao
  Latin
  Lepcha
  Limbu
  Lisu
  Malayalam
  Mandaic
  Meetei_Mayek
  Miao
  Mongolian
  Myanmar
  New_Tai_Lue
  Newa
  Nko
  Nyiakeng_Puachue_Hmong
  Ol_Chiki
  Oriya
  Osage
  Saurashtra
  Sinhala
  Sundanese
  Syloti_Nagri
  Syriac
  Tai_Le
  Tai_Tham
  Tai_Viet
  Tamil
  Telugu
  Thaana
  Thai
  Tibetan
  Tifinagh
  Vai
  Wancho
  Yi`;

/**
 * Characters that go with every script: digits, separators, the apostrophe letters of Hawaiian and Uzbek, and
 * accents. Accents that strike through, join or surround letters are not among them.
 */
const COMMON = '0-9._\\-\u02BB\u02BC\u0300-\u0333\u0339-\u034E\u0350-\u035B';

/**
 * One pattern for whole names per writing system. A character that several scripts use (Script_Extensions) is in the
 * pattern of each of them.
 */
const OF_ONE_SCRIPT = WRITING_SYSTEMS.trim()
  .split('\n')
  .map((scripts) => scripts.trim().replace(/\w+/g, '\\p{scx=$&}').replaceAll(' ', ''))
  .map((scripts) => new RegExp(`^[${scripts}${COMMON}]+$`, 'u'));

/** A name of only separators, apostrophes and accents, in which people see hardly anything. */
const SHOWS_NOTHING = /^[._\-\u02BB\u02BC\p{M}]*$/u;
const WITHOUT_EDGES = /^[._-]|[._-]$/;
/** UTS 39 section 5.4: a repeated mark, more marks than any language stacks, or a mark without its letter. */
const TOO_MANY_MARKS = /(\p{M})\1|\p{M}{5}|\p{Script=Inherited}{3}|[._-]\p{M}/u;
const DIGITS_OF_TWO_KINDS = /[0-9].*(?![0-9])\p{Nd}|(?![0-9])\p{Nd}.*[0-9]/u;
/**
 * Digits before a letter that runs from right to left (RFC 5893 section 2, rule 1). They are displayed after it, so two
 * names would look alike. Lists the right-to-left scripts of WRITING_SYSTEMS.
 */
const STARTS_AGAINST_DIRECTION =
  /^(?!\p{L}).*[\p{scx=Adlam}\p{scx=Arabic}\p{scx=Hanifi_Rohingya}\p{scx=Hebrew}\p{scx=Mandaic}\p{scx=Nko}\p{scx=Syriac}\p{scx=Thaana}]/u;

/**
 * Parses a new username. Stored usernames are never parsed, because they may be older than a rule.
 *
 * @param reserved whether reserved names are allowed, as for an operator
 * @throws {InvalidValue} naming the broken rule.
 */
export function parseUsername(text: string, { reserved = false }: { reserved?: boolean } = {}): Username {
  // Checked before normalising, whose time grows with the square of a long run of combining marks.
  if (text.length > MAX_LENGTH * 4) throw new InvalidValue(LENGTH_RULE);
  const username = text.normalize('NFKC');
  const length = [...username].length;
  if (length < MIN_LENGTH || length > MAX_LENGTH) {
    throw new InvalidValue(LENGTH_RULE);
  }
  const problem = problemOf(username);
  if (problem !== null) throw new InvalidValue(problem);
  const key = foldCase(username);
  const skeletons = usernameSkeletons(username, key);
  if (!reserved && isReserved(skeletons)) {
    throw new InvalidValue('This username is reserved, or looks like a reserved one. Choose another one.');
  }
  return { username, key, skeletons };
}

/** The rule that the characters break, as a sentence for people; null when they break none. */
function problemOf(username: string): string | null {
  if (!/^[\p{L}\p{M}\p{N}._-]+$/u.test(username) || INVISIBLE.test(username)) {
    return 'A username consists of letters, digits, dots, dashes and underscores.';
  }
  if (WITHOUT_EDGES.test(username)) return 'A username begins and ends with a letter or a digit.';
  if (/^\p{M}/u.test(username) || TOO_MANY_MARKS.test(username)) {
    return 'A username has at most two accents on a letter, and none without a letter.';
  }
  if (SHOWS_NOTHING.test(username)) return 'A username has a letter or a digit.';
  if (!OF_ONE_SCRIPT.some((script) => script.test(username))) {
    return 'A username uses the letters of one modern script, for example only Latin or only Cyrillic ones.';
  }
  if (DIGITS_OF_TWO_KINDS.test(username)) return 'A username uses digits of one kind.';
  if (STARTS_AGAINST_DIRECTION.test(username)) {
    return 'A username that runs from right to left begins with a letter.';
  }
  return null;
}

/**
 * The key by which a username, or the beginning of one, is looked up. For text that no username can be, a key that no
 * account has.
 */
export function usernameKey(text: string): string {
  if (text.length > MAX_LENGTH * 4 || !text.isWellFormed()) return '';
  const key = foldCase(text);
  return EVER_ALLOWED.test(key) ? key : '';
}

/**
 * Folds to upper case first, because lower case alone leaves some characters as they are, such as the German sharp s
 * and the final sigma.
 */
function foldCase(text: string): string {
  return text.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}
