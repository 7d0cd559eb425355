import { type EntityManager, raw } from '@mikro-orm/postgresql';
import type { ProvidedIdentities, ProvidedIdentity } from '../../identities/index.ts';
import { Conflict } from '../../platform/errors.ts';
import { KycRecord, type KycStatus } from '../records/kyc-record.entity.ts';

/** Links Blockpass identities to accounts. The record of a person outlives the link. */
export class BlockpassIdentities implements ProvidedIdentities {
  /**
   * Links a record without an account. It violates a unique constraint if the account has another record. If the owner
   * of the account reviews or approved this record, it waits for another reviewer, because reviewers cannot review
   * their own record.
   */
  async link(tx: EntityManager, userId: string, { recordId = '' }: ProvidedIdentity): Promise<void> {
    const changed = await tx.nativeUpdate(
      KycRecord,
      { id: recordId, userId: null },
      {
        userId,
        // Uses the clock of the database, because its other times are compared with it.
        linkedAt: raw<Date>('now()'),
        status: raw<KycStatus>("case when reviewer_id = ? then 'WAITING' else status end", [userId]),
        reviewerId: raw<string>('nullif(reviewer_id, ?)', [userId]),
      },
    );
    if (changed === 0) throw new Conflict('This Blockpass identity is linked already.');
  }

  async isLinked(em: EntityManager, userId: string): Promise<boolean> {
    return (await em.count(KycRecord, { userId })) > 0;
  }

  /** Unlinks the record. From then on it is kept only for a limited time (abandonedRecords). */
  removeFrom(tx: EntityManager, userId: string): Promise<number> {
    const unlinked = { userId: null, linkedAt: null, updatedAt: raw<Date>('now()') };
    return tx.nativeUpdate(KycRecord, { userId }, unlinked);
  }
}
