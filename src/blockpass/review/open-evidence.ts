import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import type { TokenSet } from '../api/index.ts';
import type { Evidence } from '../records/evidence.ts';
import { type KycItem, KycItemKind } from '../records/kyc-item.entity.ts';
import { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycRecords } from '../records/kyc-records.ts';
import type { KycVault } from '../records/kyc-vault.ts';
import type { BlockpassPerson } from './blockpass-person.ts';

/** What could not be asked at the upload: Blockpass was away, or still writing the person's tree. */
export class OpenEvidence {
  constructor(
    private readonly person: BlockpassPerson,
    private readonly records: KycRecords,
    private readonly evidence: Evidence,
    private readonly vault: KycVault,
  ) {}

  /** Asks for the evidence that is not there yet. */
  async ask(em: EntityManager, record: KycRecord): Promise<void> {
    const items = await this.records.items(em, record.id);
    const open = items.filter(({ verified }) => verified === null);
    if (open.length === 0) return;
    const tokens = await this.person.tokens(em, record);
    const fields = await this.records.contents(em, record.id, KycItemKind.IDENTITY);
    await this.verifyFields(em, record, tokens, fields, open);
    const certificates = await this.records.contents(em, record.id, KycItemKind.CERTIFICATE);
    const theirs = await this.vouchedFor(em, record.id, fields);
    for (const item of open) {
      const content = item.kind === KycItemKind.CERTIFICATE && certificates.get(item.slug);
      if (!content) continue;
      const verified = await this.evidence.ofCertificate(item.slug, content.toString('utf8'), theirs);
      await note(em, item, verified);
    }
  }

  private async vouchedFor(
    em: EntityManager,
    recordId: string,
    fields: ReadonlyMap<string, Buffer>,
  ): Promise<ReadonlyMap<string, Buffer>> {
    const items = await this.records.items(em, recordId);
    const isTheirs = (slug: string) =>
      items.some(
        (item) => item.kind === KycItemKind.IDENTITY && item.slug === slug && item.verified === true,
      );
    return new Map([...fields].filter(([slug]) => isTheirs(slug)));
  }

  private async verifyFields(
    em: EntityManager,
    { id, submissions }: KycRecord,
    tokens: TokenSet,
    fields: ReadonlyMap<string, Buffer>,
    open: readonly KycItem[],
  ): Promise<void> {
    const asked = new Map(
      open.flatMap(({ kind, slug }) => {
        const raw = kind === KycItemKind.IDENTITY && fields.get(slug);
        return raw ? [[slug, raw] as const] : [];
      }),
    );
    if (asked.size === 0) return;
    const { rootHash, verdicts } = await this.evidence.ofFields(tokens, asked);
    if (rootHash !== null) {
      await em.nativeUpdate(
        KycRecord,
        { id, submissions },
        { sealedRootHash: this.vault.sealRootHash(id, rootHash) },
      );
    }
    for (const item of open) {
      const verified = item.kind === KycItemKind.IDENTITY ? verdicts.get(item.slug) : undefined;
      if (verified !== undefined) await note(em, item, verified);
    }
  }
}

/** A verdict is about what was read: not about what was uploaded in its place while Blockpass was asked. */
async function note(
  em: EntityManager,
  { recordId, kind, slug, updatedAt }: KycItem,
  verified: boolean | null,
): Promise<void> {
  await statement(
    em,
    sql`update kyc_item set verified = ${verified}
        where record_id = ${recordId} and kind = ${kind} and slug = ${slug} and verified is null
          and date_trunc('milliseconds', updated_at) = ${updatedAt}`,
  );
}
