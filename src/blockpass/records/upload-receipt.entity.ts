import { Entity, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { KycRecord } from './kyc-record.entity.ts';

/** Says that the upload of an upload token was stored: an app that lost the answer and repeats the upload is told so. */
@Entity({ tableName: 'upload_receipt' })
@Index({ name: 'upload_receipt_expires_at_index', properties: ['expiresAt'] })
export class UploadReceipt {
  /** Of the upload token. */
  @PrimaryKey({ type: 'blob' })
  hash!: Buffer;

  @ManyToOne(() => KycRecord, {
    mapToPk: true,
    fieldName: 'record_id',
    deleteRule: 'cascade',
    index: true,
  })
  recordId!: string;

  /** When the upload token expires. */
  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
