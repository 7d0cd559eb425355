import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import type { PersonalData } from '../../platform/personal-data.ts';
import { KycItem } from './kyc-item.entity.ts';
import { KycRecord } from './kyc-record.entity.ts';
import type { KycVault } from './kyc-vault.ts';

/**
 * Exports and erases the data that a person gave through Blockpass. An export has texts as they are and files as
 * base64, and for a picture also the hash of the file from which it was made.
 */
export class KycData implements PersonalData {
  readonly section = 'kycRecord';

  constructor(private readonly vault: KycVault) {}

  async collect(em: EntityManager, userId: string): Promise<unknown> {
    const record = await em.findOne(KycRecord, { userId });
    if (!record) return null;
    const items = await em.find(
      KycItem,
      { recordId: record.id },
      { populate: ['sealedContent', 'sealedReceivedHash'] },
    );
    return {
      status: record.status,
      message: this.vault.openMessage(record.id, record.sealedMessage),
      createdAt: record.createdAt,
      linkedAt: record.linkedAt,
      updatedAt: record.updatedAt,
      items: items.map((item) => {
        const content = this.vault.openContent(item, item.sealedContent);
        const { kind, slug, status, contentType, updatedAt } = item;
        return {
          kind,
          slug,
          status,
          comment: this.vault.openComment(item, item.sealedComment),
          contentType,
          content: content.toString(contentType === null ? 'utf8' : 'base64'),
          receivedHash: this.vault.openReceivedHash(item, item.sealedReceivedHash)?.receivedHash ?? null,
          updatedAt,
        };
      }),
    };
  }

  /**
   * Erases the record, upload tokens and sign-ins. Tokens and unfinished sign-ins have the Blockpass id of the person,
   * not the account or its record. They are deleted by statements of their own, which see the rows that the first
   * statement waited for.
   */
  async erase(tx: EntityManager, userId: string): Promise<void> {
    const erased = await statement(
      tx,
      sql<{ blockpass_id: string }>`
        delete from kyc_record where user_id = ${userId} returning blockpass_id`,
    );
    const people = erased.map(({ blockpass_id }) => blockpass_id);
    await statement(tx, sql`delete from upload_pass where blockpass_id = any(${people})`);
    await statement(tx, sql`delete from blockpass_completion where blockpass_id = any(${people})`);
    await statement(tx, sql`delete from blockpass_sign_in where taken_by = any(${people})`);
  }
}
