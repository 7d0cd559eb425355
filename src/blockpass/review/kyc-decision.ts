import { InvalidValue } from '../../platform/input.ts';
import { isSlug } from '../protocol/index.ts';
import type { KycItemKind } from '../records/kyc-item.entity.ts';

/** What a reviewer thinks of one item. */
export interface KycDecision {
  readonly kind: KycItemKind;
  readonly slug: string;
  readonly approve: boolean;
  readonly comment?: string | null | undefined;
}

/** Characters of a comment and of a message: they are read on a phone. */
const MAX_WORDS = 500;
const MAX_DECISIONS = 64;
const SLUG = 'A slug is 1 to 64 lower-case letters, digits, dashes or underscores.';

/** @throws {InvalidValue} none or too many, an item twice, or a rejection without its reason. */
export function parseDecisions(decisions: readonly KycDecision[]): KycDecision[] {
  if (decisions.length === 0 || decisions.length > MAX_DECISIONS) {
    throw new InvalidValue(`There must be 1 to ${MAX_DECISIONS} decisions.`);
  }
  if (!decisions.every(({ slug }) => isSlug(slug))) throw new InvalidValue(SLUG);
  const places = decisions.map(({ kind, slug }) => `${kind} ${slug}`);
  if (new Set(places).size < places.length) throw new InvalidValue('An item is decided about twice.');
  return decisions.map((decision) => {
    const comment = parseWords(decision.comment);
    if (!decision.approve && comment === null) throw new InvalidValue('A rejection needs a comment.');
    return { ...decision, comment };
  });
}

/** @throws {InvalidValue} too many, or something that is not a slug. */
export function parseSlugs(slugs: readonly string[]): string[] {
  if (slugs.length > MAX_DECISIONS) throw new InvalidValue(`At most ${MAX_DECISIONS} slugs.`);
  if (!slugs.every(isSlug)) throw new InvalidValue(SLUG);
  return [...new Set(slugs)];
}

/** A comment or a message; null when it says nothing. @throws {InvalidValue} */
export function parseWords(text: string | null | undefined): string | null {
  const words = (text ?? '').trim();
  if (words.length > MAX_WORDS) throw new InvalidValue(`At most ${MAX_WORDS} characters.`);
  if (/[\p{Cc}\p{Cs}]/u.test(words.replace(/\n/g, ''))) throw new InvalidValue('No control characters.');
  return words === '' ? null : words;
}
