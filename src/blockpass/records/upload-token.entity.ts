import type { Opt } from '@mikro-orm/core';
import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/** The binding of an upload token, which allows one upload. The token itself is not stored. */
@Entity({ tableName: 'upload_pass' })
@Index({ name: 'upload_pass_expires_at_index', properties: ['expiresAt'] })
export class UploadToken {
  /** SHA-256. A fast hash is enough for 256 random bits, which cannot be guessed. */
  @PrimaryKey({ type: 'blob' })
  hash!: Buffer;

  @Property({ type: 'text' })
  blockpassId!: string;

  /** The session code of the QR code with which the sign-in began. */
  @Property({ type: 'text', nullable: true })
  sessionCode: string | null = null;

  /** The requested fields. Nothing else is stored. */
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
