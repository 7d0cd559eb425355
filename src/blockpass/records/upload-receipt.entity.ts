import { Entity, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { KycRecord } from './kyc-record.entity.ts';

/**
 * Records that the upload of an upload token was stored. If the app loses the answer and repeats the upload, it is told
 * so.
 */
@Entity({ tableName: 'upload_receipt' })
@Index({ name: 'upload_receipt_expires_at_index', properties: ['expiresAt'] })
export class UploadReceipt {
  /** The hash of the upload token. */
  @PrimaryKey({ type: 'blob' })
  hash!: Buffer;

  @ManyToOne(() => KycRecord, {
    mapToPk: true,
    fieldName: 'record_id',
    deleteRule: 'cascade',
    index: true,
  })
  recordId!: string;

  /** The expiry of the upload token. */
  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
