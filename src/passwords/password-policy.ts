import { isCommonPassword, paddingLength, plainLetters } from './common-passwords.ts';
import { isSequence, isShortRepetition, repeatedUnit } from './password-patterns.ts';
import { codePoints, passwordSizeProblem } from './password-size.ts';

export { MAX_PASSWORD_BYTES, MAX_PASSWORD_CODE_POINTS, passwordSizeProblem } from './password-size.ts';

/** Words that an attacker of this account would try first (ASVS 6.1.2, 6.2.11). */
export interface PasswordContext {
  username?: string | undefined;
  email?: string | undefined;
  productName?: string | undefined;
}

export interface PasswordRules {
  /** Code points. SP 800-63B-4 section 3.1.1.2 requires 15 where the password is the only factor, otherwise 8. */
  minLength: number;
  context: PasswordContext;
}

/** Code points. A shorter name occurs in ordinary words by accident ("ana" in "banana"). */
const MIN_CONTEXT_WORD = 4;

/** Characters next to the product's name that can still be guessed, as for a common password. */
const MAX_BESIDE_PRODUCT = 6;

/**
 * Returns why a new password is refused, as a sentence for people; null when it is accepted. Checks only length and
 * lists: no composition rules, no trimming (SP 800-63B-4 section 3.1.1.2). The length is the smaller of the code points
 * as typed and after NFKC, so that neither a combining accent nor a ligature counts more than once.
 */
export function checkPassword(password: string, { minLength, context }: PasswordRules): string | null {
  const sizeProblem = passwordSizeProblem(password);
  if (sizeProblem !== null) {
    return sizeProblem;
  }
  const normalised = password.normalize('NFKC');
  if (Math.min(codePoints(password), codePoints(normalised)) < minLength) {
    return `Use at least ${minLength} characters. Several words in a row make a good password.`;
  }
  const folded = fold(password);
  const name = contextWords(context).find(({ word }) => folded.includes(word));
  if (name !== undefined) {
    return `The password must not contain your ${name.what}.`;
  }
  if (isAboutProduct(folded, context.productName)) {
    return 'The password is little more than the name of this service. Choose another one.';
  }
  if (isShortRepetition(folded) || isSequence(folded)) {
    return 'The password is a repetition or a sequence of neighbouring keys. Choose another one.';
  }
  if (isCommonPassword(repeatedUnit(folded) ?? folded) || isCommonPassword(folded)) {
    return 'The password is on the lists of common passwords, or close to one. Choose another one, such as several unrelated words.';
  }
  return null;
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

function contextWords({ username, email }: PasswordContext): { word: string; what: string }[] {
  const localPart = email?.slice(0, Math.max(email.lastIndexOf('@'), 0));
  return [
    { word: fold(username ?? ''), what: 'username' },
    { word: fold(localPart ?? ''), what: 'e-mail address' },
    { word: fold(email ?? ''), what: 'e-mail address' },
  ].filter(({ word }) => codePoints(word) >= MIN_CONTEXT_WORD);
}

function isAboutProduct(folded: string, productName: string | undefined): boolean {
  const product = fold(productName ?? '');
  return (
    codePoints(product) >= MIN_CONTEXT_WORD &&
    [folded, plainLetters(folded)].some(
      (text) => text.includes(product) && paddingLength(text.replaceAll(product, '')) <= MAX_BESIDE_PRODUCT,
    )
  );
}
