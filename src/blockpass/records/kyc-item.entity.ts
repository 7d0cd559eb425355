import { type Opt, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Enum, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { KycRecord } from './kyc-record.entity.ts';

export enum KycItemKind {
  IDENTITY = 'IDENTITY',
  CERTIFICATE = 'CERTIFICATE',
}

export enum KycItemStatus {
  /** Uploaded, not judged yet. */
  RECEIVED = 'RECEIVED',
  /** Asked for and not there. Never stored: an item that is missing has no row. */
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

  /** Why it was rejected. */
  @Property({ type: 'blob', nullable: true })
  sealedComment: Buffer | null = null;

  /**
   * A text or certificate byte for byte as it was uploaded; a picture as it was encoded anew. Not loaded unless asked
   * for. The bytes are in the database and not in a folder: every process reads them, one transaction stores them with
   * what they belong to, and they go with the record. A record has at most a few megabytes.
   */
  @Property({ type: 'blob', lazy: true })
  sealedContent!: Buffer;

  /**
   * Of a picture, the hash of the bytes as they were received, and with it the hash of the content that is kept. Hashes
   * of the protocol are over the received bytes. Null where the content is kept as it was received.
   */
  @Property({ type: 'blob', nullable: true, lazy: true })
  sealedReceivedHash: Buffer | null = null;

  /** Of a file, by its bytes; null for text. */
  @Property({ type: 'text', nullable: true })
  contentType: string | null = null;

  /** Whether Blockpass vouches for it (evidence.ts); null while that is not known. */
  @Property({ type: 'boolean', nullable: true })
  verified: boolean | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  updatedAt: Date & Opt = new Date();

  [PrimaryKeyProp]?: ['recordId', 'kind', 'slug'];
}
