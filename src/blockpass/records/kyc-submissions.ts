import type { EntityManager } from '@mikro-orm/postgresql';
import { lockAccount } from '../../accounts/index.ts';
import type { AuditLog } from '../../platform/audit/index.ts';
import { sql, statement } from '../../platform/database/index.ts';
import { NotFound } from '../../platform/errors.ts';
import { newId } from '../../platform/id.ts';
import type { RequestSource } from '../../platform/request/index.ts';
import type { Revocations } from '../../sessions/index.ts';
import type { TokenSet } from '../api/index.ts';
import { fieldHash } from '../protocol/index.ts';
import type { Verdict } from './evidence.ts';
import type { KycItemKind } from './kyc-item.entity.ts';
import { KycStatus } from './kyc-record.entity.ts';
import type { KycVault } from './kyc-vault.ts';

/** One uploaded item with checked bytes. */
export interface SubmittedItem {
  readonly kind: KycItemKind;
  readonly slug: string;
  /** The bytes to store. */
  readonly content: Uint8Array;
  /** `fieldHash` of the bytes as they were received. For a picture these differ from the stored bytes. */
  readonly receivedHash: string;
  readonly contentType: string | null;
  readonly verified: Verdict;
}

export interface Submission {
  readonly blockpassId: string;
  /** Null for a person who had no record when the upload began. */
  readonly recordId: string | null;
  /** The tokens for a new record. An existing record may have newer ones, from a later call of the app. */
  readonly tokens: TokenSet;
  readonly rootHash: string | null;
  readonly items: readonly SubmittedItem[];
}

/** Stores uploads of people. */
export class KycSubmissions {
  constructor(
    private readonly vault: KycVault,
    private readonly revocations: Revocations,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Stores an upload, all of it or nothing. Uploaded items wait for a review again; the others keep their decision.
   * Verdicts of Blockpass are reset for all items: they were about another tree, or about other values beside them.
   * @param alongside writes data that must be stored in the same transaction
   * @returns null when a reviewer is reviewing the record, so that nothing changes during a review.
   * @throws {NotFound} the record was deleted during the upload.
   */
  store<T>(
    em: EntityManager,
    submission: Submission,
    source: RequestSource,
    alongside: (tx: EntityManager, recordId: string) => Promise<T>,
  ): Promise<{ readonly alongside: T } | null> {
    const { items, rootHash } = submission;
    return this.revocations.transactional(em, async (tx) => {
      const row = await this.hold(tx, submission);
      if (!row) throw new NotFound();
      if (row.status === KycStatus.IN_REVIEW) return null;
      await statement(tx, sql`update kyc_item set verified = null where record_id = ${row.id}`);
      for (const item of items) await this.storeItem(tx, row.id, item);
      const sealedRoot = rootHash === null ? null : this.vault.sealRootHash(row.id, rootHash);
      await statement(
        tx,
        sql`update kyc_record
            set status = 'WAITING', sealed_root_hash = ${sealedRoot}, reviewer_id = null, sealed_message = null,
                submissions = submissions + 1, updated_at = now()
            where id = ${row.id}`,
      );
      // The claim `kyc` in issued tokens is no longer true.
      if (row.user_id !== null && row.status === KycStatus.APPROVED) {
        await this.revocations.raiseEpoch(tx, row.user_id);
      }
      await this.audit.record(tx, source, {
        action: 'kyc.submitted',
        actorId: row.user_id,
        subjectId: row.user_id,
        details: { recordId: row.id, items: items.map(({ slug }) => slug) },
      });
      return { alongside: await alongside(tx, row.id) };
    });
  }

  /** Locks the account before its record (lock-account.ts), because the account changes too when an approval ends. */
  private async hold(
    tx: EntityManager,
    { blockpassId, recordId, tokens }: Submission,
  ): Promise<HeldRecord | undefined> {
    if (recordId === null) {
      const [made] = await statement(
        tx,
        sql<HeldRecord>`
          insert into kyc_record (id, blockpass_id, sealed_tokens)
          values (${newId()}, ${blockpassId}, ${this.vault.sealTokens(blockpassId, tokens)})
          on conflict (blockpass_id) do update set blockpass_id = excluded.blockpass_id
          returning id, status, user_id`,
      );
      return made;
    }
    const [{ user_id: owner } = { user_id: null }] = await statement(
      tx,
      sql<Pick<HeldRecord, 'user_id'>>`select user_id from kyc_record where id = ${recordId}`,
    );
    if (owner !== null) await lockAccount(tx, owner);
    const [held] = await statement(
      tx,
      sql<HeldRecord>`select id, status, user_id from kyc_record where id = ${recordId} for update`,
    );
    return held;
  }

  /**
   * Uses written SQL, because an entity manager keeps a picture of several megabytes two more times, in its current and
   * original state.
   */
  private async storeItem(tx: EntityManager, recordId: string, item: SubmittedItem): Promise<void> {
    const { kind, slug, content, receivedHash, contentType, verified } = item;
    const place = { recordId, kind, slug };
    const sealed = this.vault.sealContent(place, content);
    const contentHash = fieldHash(content);
    const sealedHash =
      contentHash === receivedHash ? null : this.vault.sealReceivedHash(place, { contentHash, receivedHash });
    await statement(
      tx,
      sql`insert into kyc_item (record_id, kind, slug, status, sealed_content, sealed_received_hash, content_type, verified)
          values (${recordId}, ${kind}, ${slug}, 'RECEIVED', ${sealed}, ${sealedHash}, ${contentType}, ${verified})
          on conflict (record_id, kind, slug) do update
          set status = excluded.status, sealed_comment = null, sealed_content = excluded.sealed_content,
              sealed_received_hash = excluded.sealed_received_hash, content_type = excluded.content_type, verified = excluded.verified, updated_at = now()`,
    );
  }
}

interface HeldRecord {
  id: string;
  status: KycStatus;
  user_id: string | null;
}
