import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import type { BlockpassPerson } from '../records/blockpass-person.ts';
import type { Evidence } from '../records/evidence.ts';
import { type KycItem, KycItemKind } from '../records/kyc-item.entity.ts';
import type { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycRecords } from '../records/kyc-records.ts';
import type { KycVault } from '../records/kyc-vault.ts';

/**
 * Asks for the evidence that is still unknown, because at the upload Blockpass was unavailable or still writing the
 * person's tree.
 */
export class OpenEvidence {
  constructor(
    private readonly person: BlockpassPerson,
    private readonly records: KycRecords,
    private readonly evidence: Evidence,
    private readonly vault: KycVault,
  ) {}

  /**
   * Asks for unknown evidence. If one value is unknown, it asks about all values and about the certificates for them,
   * because all verdicts must be about one tree. Without verified values no certificate can be checked. So if Blockpass
   * hangs, this waits for it only once, and the operation has time left to answer.
   * @throws {BlockpassAway} a value is unknown, and Blockpass could not be asked.
   * @throws {PersonMustReturn} a value is unknown, and Blockpass refuses the tokens of the person.
   */
  async ask(em: EntityManager, record: KycRecord): Promise<void> {
    const items = await this.records.items(em, record.id);
    const isOpen = ({ verified }: KycItem) => verified === null;
    if (!items.some(isOpen)) return;
    const fields = await this.records.fieldHashes(em, record.id);
    const areOpen = items.some((item) => item.kind === KycItemKind.IDENTITY && isOpen(item));
    if (areOpen && !(await this.askAboutFields(em, record, fields))) return;
    const certificates = items.filter(
      (item) => item.kind === KycItemKind.CERTIFICATE && (areOpen || isOpen(item)),
    );
    if (certificates.length > 0) await this.judge(em, record, certificates, fields);
  }

  /** @returns false when Blockpass does not know. */
  private async askAboutFields(
    em: EntityManager,
    record: KycRecord,
    fields: ReadonlyMap<string, string>,
  ): Promise<boolean> {
    const { rootHash, verdicts } = await this.evidence.ofFields(this.person.of(em, record), fields);
    if (rootHash === null || verdicts.size === 0) return false;
    const places = [...verdicts].map(([slug, verified]) => ({ kind: KycItemKind.IDENTITY, slug, verified }));
    await this.note(em, record, places, rootHash);
    return true;
  }

  private async judge(
    em: EntityManager,
    record: KycRecord,
    certificates: readonly KycItem[],
    fields: ReadonlyMap<string, string>,
  ): Promise<void> {
    const texts = await this.records.certificates(em, record.id);
    const items = await this.records.items(em, record.id);
    const isTheirs = (slug: string) =>
      items.some((item) => item.kind === KycItemKind.IDENTITY && item.slug === slug && item.verified);
    const theirs = new Map([...fields].filter(([slug]) => isTheirs(slug)));
    const verdicts = await Promise.all(
      certificates.map(async ({ kind, slug }) => {
        const text = texts.get(slug);
        const verified = text === undefined ? null : await this.evidence.ofCertificate(slug, text, theirs);
        return verified === null ? [] : [{ kind, slug, verified }];
      }),
    );
    await this.note(em, record, verdicts.flat(), null);
  }

  /** Stores verdicts, unless another upload replaced the items while Blockpass was asked. */
  private note(
    em: EntityManager,
    { id, submissions }: KycRecord,
    verdicts: readonly { kind: KycItemKind; slug: string; verified: boolean }[],
    rootHash: string | null,
  ): Promise<void> {
    const sealedRoot = rootHash === null ? null : this.vault.sealRootHash(id, rootHash);
    return em.transactional(async (tx) => {
      const unchanged = await statement(
        tx,
        sql`update kyc_record set sealed_root_hash = coalesce(${sealedRoot}::bytea, sealed_root_hash)
            where id = ${id} and submissions = ${submissions} returning id`,
      );
      if (unchanged.length === 0) return;
      for (const { kind, slug, verified } of verdicts) {
        await statement(
          tx,
          sql`update kyc_item set verified = ${verified}
              where record_id = ${id} and kind = ${kind} and slug = ${slug}`,
        );
      }
    });
  }
}
