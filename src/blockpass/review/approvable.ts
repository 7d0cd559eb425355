import { Conflict } from '../../platform/errors.ts';
import { type KycItem, KycItemKind, KycItemStatus } from '../records/kyc-item.entity.ts';

/**
 * Checks whether the items of a record may be approved. Blockpass must vouch for every field. A certificate that
 * Blockpass does not know is left to the reviewer. A certificate that Blockpass refutes must be rejected, or named as
 * an exception.
 * @param items of the record, without missing ones
 * @param accepted slugs of certificates that the reviewer accepts although Blockpass refutes them
 * @returns the slugs of the certificates that need the exception.
 * @throws {Conflict} naming each item that prevents the approval, and why.
 */
export function assertVouchedFor(items: readonly KycItem[], accepted: readonly string[]): string[] {
  // A rejected item that is still requested must be uploaded again, which is checked elsewhere. Other rejected items
  // are not approved.
  const judged = items.filter(({ status }) => status !== KycItemStatus.REJECTED);
  const slugsOf = (kind: KycItemKind, verdict: boolean | null) =>
    judged.filter((item) => item.kind === kind && item.verified === verdict).map(({ slug }) => slug);

  const certificates = items.filter(({ kind }) => kind === KycItemKind.CERTIFICATE);
  const strange = accepted.find((slug) => certificates.every((item) => item.slug !== slug));
  if (strange !== undefined) throw new Conflict(`${strange} is not a certificate of this record.`);

  const refuted = slugsOf(KycItemKind.CERTIFICATE, false);
  const problems = [
    ...sentence(slugsOf(KycItemKind.IDENTITY, false), (slugs) => `Blockpass does not vouch for: ${slugs}.`),
    ...sentence(
      slugsOf(KycItemKind.IDENTITY, null),
      (slugs) => `Blockpass does not know yet whether it vouches for: ${slugs}. Try again in a minute.`,
    ),
    ...sentence(
      refuted.filter((slug) => !accepted.includes(slug)),
      (slugs) =>
        `Blockpass does not vouch for the certificate: ${slugs}. Reject it, or name it in acceptUnverified.`,
    ),
  ];
  if (problems.length > 0) throw new Conflict(problems.join(' '));
  return refuted;
}

const sentence = (slugs: readonly string[], words: (slugs: string) => string): string[] =>
  slugs.length === 0 ? [] : [words(slugs.join(', '))];
