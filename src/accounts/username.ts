import { InvalidValue } from '../platform/input.ts';

export interface Username {
  /** As shown: NFKC (Unicode Standard Annex 15). */
  username: string;
  /** What makes it unique, without regard to case or Unicode form. */
  key: string;
}

/** Code points. */
const MIN_LENGTH = 3;
const MAX_LENGTH = 32;
const LENGTH_RULE = `A username has ${MIN_LENGTH} to ${MAX_LENGTH} characters.`;
/** A mark stands on something. */
const ALLOWED = /^(?!\p{M})[\p{L}\p{M}\p{N}._-]+$/u;
/** Characters that show nothing, some of which count as letters (Hangul fillers). */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;

/** Names under which somebody could pose as whoever runs the place, or that collide with words of programs. */
const RESERVED = new Set(
  `abuse admin administrator anonymous api auth everyone gatehouse graphql guest help hostmaster info me moderator
   no-reply noreply nobody null official operator owner postmaster root security staff superuser support sysadmin
   system undefined unknown user webmaster`.split(/\s+/),
);

/**
 * @param reserved whether reserved names are allowed: to an operator they are
 * @throws {InvalidValue} saying which rule was broken.
 */
export function parseUsername(text: string, { reserved = false }: { reserved?: boolean } = {}): Username {
  // Before anything else: normalising takes time that grows with the square of a long run of combining marks.
  if (text.length > MAX_LENGTH * 4) throw new InvalidValue(LENGTH_RULE);
  const username = text.normalize('NFKC');
  const length = [...username].length;
  if (length < MIN_LENGTH || length > MAX_LENGTH) {
    throw new InvalidValue(LENGTH_RULE);
  }
  if (!ALLOWED.test(username) || INVISIBLE.test(username)) {
    throw new InvalidValue('A username consists of letters, digits, dots, dashes and underscores.');
  }
  const key = foldCase(username);
  if (!reserved && RESERVED.has(key)) throw new InvalidValue('This username is reserved.');
  return { username, key };
}

/** The key to look a username up by, or the beginning of one; of text that no username can be, a key that no account has. */
export function usernameKey(text: string): string {
  if (text.length > MAX_LENGTH * 4 || !text.isWellFormed()) return '';
  const key = foldCase(text);
  return ALLOWED.test(key) ? key : '';
}

/** Upper case first: it unfolds what lower case leaves alone, such as the German sharp s and the final sigma. */
function foldCase(text: string): string {
  return text.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');
}
