import { InvalidValue } from '../../platform/input.ts';
import { isSlug } from '../protocol/index.ts';
import type { KycItemKind } from '../records/kyc-item.entity.ts';

/** A reviewer's decision about one item. */
export interface KycDecision {
  readonly kind: KycItemKind;
  readonly slug: string;
  readonly approve: boolean;
  readonly comment?: string | null | undefined;
}

/** Maximum number of characters of a comment or message, which people read on a phone. */
const MAX_WORDS = 500;
const MAX_DECISIONS = 64;
const SLUG = 'A slug is 1 to 64 lower-case letters, digits, dashes or underscores.';

/** @throws {InvalidValue} no or too many decisions, an item twice, or a rejection without its reason. */
export function parseDecisions(decisions: readonly KycDecision[]): KycDecision[] {
  if (decisions.length === 0 || decisions.length > MAX_DECISIONS) {
    throw new InvalidValue(`There must be 1 to ${MAX_DECISIONS} decisions.`);
  }
  if (!decisions.every(({ slug }) => isSlug(slug))) throw new InvalidValue(SLUG);
  const places = decisions.map(({ kind, slug }) => `${kind} ${slug}`);
  if (new Set(places).size < places.length) throw new InvalidValue('Decide only once about each item.');
  return decisions.map((decision) => {
    const comment = parseWords(decision.comment);
    if (!decision.approve && comment === null) throw new InvalidValue('A rejection needs a comment.');
    return { ...decision, comment };
  });
}

/** @throws {InvalidValue} too many slugs, or a text that is not a slug. */
export function parseSlugs(slugs: readonly string[]): string[] {
  if (slugs.length > MAX_DECISIONS) throw new InvalidValue(`At most ${MAX_DECISIONS} slugs.`);
  if (!slugs.every(isSlug)) throw new InvalidValue(SLUG);
  return [...new Set(slugs)];
}

/** Parses a comment or a message; null when it is blank. @throws {InvalidValue} */
export function parseWords(text: string | null | undefined): string | null {
  const words = (text ?? '').trim();
  if (words.length > MAX_WORDS) throw new InvalidValue(`At most ${MAX_WORDS} characters.`);
  if (/[\p{Cc}\p{Cs}]/u.test(words.replace(/\n/g, ''))) throw new InvalidValue('No control characters.');
  return words === '' ? null : words;
}
