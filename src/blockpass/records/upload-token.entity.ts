import type { Opt } from '@mikro-orm/core';
import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/** What lets the app upload, once. The row is what the upload token is bound to; the upload token itself is not kept. */
@Entity({ tableName: 'upload_pass' })
@Index({ name: 'upload_pass_expires_at_index', properties: ['expiresAt'] })
export class UploadToken {
  /** SHA-256: enough for 256 random bits, which nobody can try. */
  @PrimaryKey({ type: 'blob' })
  hash!: Buffer;

  @Property({ type: 'text' })
  blockpassId!: string;

  /** Of the QR code that it all began with. */
  @Property({ type: 'text', nullable: true })
  sessionCode: string | null = null;

  /** What was asked for; nothing else is stored. */
  @Property({ type: 'text[]' })
  fields!: string[];

  @Property({ type: 'text[]' })
  certificates!: string[];

  @Property({ type: 'blob' })
  sealedTokens!: Buffer;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
