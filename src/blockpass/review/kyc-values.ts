import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../../platform/audit/index.ts';
import type { RequestContext } from '../../platform/request/index.ts';
import { KycItem, KycItemKind } from '../records/kyc-item.entity.ts';
import { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycVault } from '../records/kyc-vault.ts';

/** Reads the text values of records for reviewers. Files and certificates are downloaded (kyc-file.routes.ts). */
export class KycValues {
  constructor(
    private readonly vault: KycVault,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Values by record and slug. The read is audited before the values are returned, once for each record, however many
   * fields it has.
   */
  async read(
    em: EntityManager,
    recordIds: readonly string[],
    { caller, source }: Pick<RequestContext, 'caller' | 'source'>,
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
    const fresh = em.fork();
    const records = await fresh.find(KycRecord, { id: { $in: [...recordIds] } });
    const items = await fresh.find(
      KycItem,
      { recordId: { $in: [...recordIds] }, kind: KycItemKind.IDENTITY, contentType: null },
      { populate: ['sealedContent'] },
    );
    await this.audit.recordAll(
      em,
      source,
      records.map(({ id: recordId, userId }) => ({
        action: 'kyc.values_read',
        actorId: caller.userId,
        subjectId: userId,
        details: { recordId },
      })),
    );
    const valuesOf = (id: string) => items.filter(({ recordId }) => recordId === id);
    const text = (item: KycItem) => this.vault.openContent(item, item.sealedContent).toString('utf8');
    return new Map(
      records.map(({ id }) => [id, new Map(valuesOf(id).map((item) => [item.slug, text(item)]))]),
    );
  }
}
