import { type EntityManager, raw } from '@mikro-orm/postgresql';
import type { IdentityProvider, ProvidedIdentity } from '../../identities/index.ts';
import { Conflict } from '../../platform/errors.ts';
import { KycRecord, type KycStatus } from '../records/kyc-record.entity.ts';

/** Which accounts a Blockpass identity signs in to. The record of a person outlives the link. */
export class BlockpassIdentities implements IdentityProvider {
  readonly name = 'blockpass';

  constructor(readonly isOn: boolean) {}

  /**
   * Of a record that has no account yet. Runs into a unique constraint when the account has another one. What the owner
   * of the account has in review, or has approved, waits for somebody else: nobody judges what they handed over themselves.
   */
  async link(tx: EntityManager, userId: string, { recordId = '' }: ProvidedIdentity): Promise<void> {
    const changed = await tx.nativeUpdate(
      KycRecord,
      { id: recordId, userId: null },
      {
        userId,
        // The database's clock, with which other times of the database are compared.
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

  /** The time from which a record without an account is kept for a while only. */
  removeFrom(tx: EntityManager, userId: string): Promise<number> {
    const unlinked = { userId: null, linkedAt: null, updatedAt: raw<Date>('now()') };
    return tx.nativeUpdate(KycRecord, { userId }, unlinked);
  }
}
