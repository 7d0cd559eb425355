import type { EntityManager } from '@mikro-orm/postgresql';
import { outsideDeadline } from '../../platform/database/index.ts';
import { ServiceUnavailable } from '../../platform/errors.ts';
import { type BlockpassApi, BlockpassRefused, type TokenSet } from '../api/index.ts';
import { KycRecord } from '../records/kyc-record.entity.ts';
import type { KycRecords } from '../records/kyc-records.ts';
import type { KycVault } from '../records/kyc-vault.ts';

/** Blockpass no longer answers for the person: they must come back through the app. */
export class PersonMustReturn extends ServiceUnavailable {
  constructor(cause: unknown) {
    super({ detail: 'Blockpass refuses the tokens of this record', cause });
  }
}

/** Asks Blockpass on behalf of a person who is not there, with the tokens that their record keeps. */
export class BlockpassPerson {
  constructor(
    private readonly api: BlockpassApi,
    private readonly records: KycRecords,
    private readonly vault: KycVault,
  ) {}

  /**
   * Tokens that are good now; refreshed ones are stored before they are used.
   * @throws {PersonMustReturn} they cannot be refreshed.
   */
  async tokens(em: EntityManager, record: KycRecord): Promise<TokenSet> {
    const known = this.vault.openTokens(record.blockpassId, record.sealedTokens);
    if (!this.api.isStale(known)) return known;
    try {
      const fresh = await this.api.refresh(known);
      // However late: the old ones may be void by now.
      await outsideDeadline(() => this.records.keepTokens(em, record, fresh));
      return fresh;
    } catch (error) {
      if (!(error instanceof BlockpassRefused)) throw error;
      // Somebody else may have refreshed them a moment ago, which voids the old ones.
      const now = await em.fork().findOne(KycRecord, { id: record.id });
      const latest = now && this.vault.openTokens(now.blockpassId, now.sealedTokens);
      if (!latest || latest.accessToken === known.accessToken) throw new PersonMustReturn(error);
      return latest;
    }
  }
}
