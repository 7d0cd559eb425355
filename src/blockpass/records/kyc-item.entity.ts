import { type Opt, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Enum, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { KycRecord } from './kyc-record.entity.ts';

export enum KycItemKind {
  IDENTITY = 'IDENTITY',
  CERTIFICATE = 'CERTIFICATE',
}

export enum KycItemStatus {
  /** Uploaded, not reviewed yet. */
  RECEIVED = 'RECEIVED',
  /** Requested and not uploaded. Never stored: a missing item has no row. */
  MISSING = 'MISSING',
  REJECTED = 'REJECTED',
  APPROVED = 'APPROVED',
}

/** One field or certificate of a record. */
@Entity({ tableName: 'kyc_item' })
export class KycItem {
  @ManyToOne(() => KycRecord, { primary: true, mapToPk: true, fieldName: 'record_id', deleteRule: 'cascade' })
  recordId!: string;

  @Enum({ items: () => KycItemKind, type: 'text', primary: true })
  kind!: KycItemKind;

  @PrimaryKey({ type: 'text' })
  slug!: string;

  @Enum({ items: () => KycItemStatus, type: 'text' })
  status!: KycItemStatus;

  /** The reason for a rejection. */
  @Property({ type: 'blob', nullable: true })
  sealedComment: Buffer | null = null;

  /**
   * The bytes of a text or certificate as they were uploaded, or of a picture as it was encoded again. Loaded only on
   * request. The bytes are in the database and not in a folder. So every process can read them, one transaction stores
   * them with their record, and they are deleted with the record. A record has at most a few megabytes.
   */
  @Property({ type: 'blob', lazy: true })
  sealedContent!: Buffer;

  /**
   * For a picture, the hash of the received bytes, together with the hash of the stored content. Hashes of the protocol
   * are over the received bytes. Null when the content is stored as it was received.
   */
  @Property({ type: 'blob', nullable: true, lazy: true })
  sealedReceivedHash: Buffer | null = null;

  /** The type of a file, by its bytes; null for text. */
  @Property({ type: 'text', nullable: true })
  contentType: string | null = null;

  /** Whether Blockpass vouches for the item (evidence.ts); null while unknown. */
  @Property({ type: 'boolean', nullable: true })
  verified: boolean | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  updatedAt: Date & Opt = new Date();

  [PrimaryKeyProp]?: ['recordId', 'kind', 'slug'];
}
