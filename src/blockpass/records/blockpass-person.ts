import type { EntityManager } from '@mikro-orm/postgresql';
import { holdingDeadline } from '../../platform/database/index.ts';
import { ServiceUnavailable } from '../../platform/errors.ts';
import { type BlockpassApi, BlockpassRefused, type TokenSet } from '../api/index.ts';
import { KycRecord } from './kyc-record.entity.ts';
import type { KycRecords } from './kyc-records.ts';
import type { KycVault } from './kyc-vault.ts';
import type { PassBinding } from './upload-passes.ts';

/** Blockpass no longer answers for the person: they must come back through the app. */
export class PersonMustReturn extends ServiceUnavailable {
  constructor(cause: unknown) {
    super({ detail: 'Blockpass refuses the tokens of this record', cause });
  }
}

/** Asks Blockpass on behalf of a person, with the tokens of a call that the app made some time ago. */
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
  tokens(em: EntityManager, record: KycRecord): Promise<TokenSet> {
    return this.good(em, record, this.vault.openTokens(record.blockpassId, record.sealedTokens));
  }

  /**
   * Those of a pass, which end the session of its QR code: they are of the handshake that named it. A pass may outlive its
   * tokens. An upload is stored whether or not Blockpass can be asked about it, so the old ones must do where there are no new.
   */
  async tokensOfPass(em: EntityManager, { blockpassId, tokens }: PassBinding): Promise<TokenSet> {
    if (!this.api.isStale(tokens)) return tokens;
    const record = await this.records.find(em.fork(), blockpassId);
    try {
      return record ? await this.good(em, record, tokens) : await this.api.refresh(tokens);
    } catch (error) {
      if (error instanceof BlockpassRefused || error instanceof ServiceUnavailable) return tokens;
      throw error;
    }
  }

  private async good(em: EntityManager, record: KycRecord, known: TokenSet): Promise<TokenSet> {
    if (!this.api.isStale(known)) return known;
    try {
      const fresh = await this.api.refresh(known);
      // However late: the old ones may be void by now.
      await holdingDeadline(() => this.records.keepTokens(em, record, fresh));
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
