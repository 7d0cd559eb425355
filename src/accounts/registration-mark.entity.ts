import type { Opt } from '@mikro-orm/core';
import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/**
 * The browser that made a registration. The row is removed when the address is confirmed, or after the link expires.
 */
@Entity({ tableName: 'registration_mark' })
@Index({ name: 'registration_mark_expires_at_index', properties: ['expiresAt'] })
export class RegistrationMark {
  /** The id of an account or a pending registration, hence no foreign key. */
  @PrimaryKey({ type: 'uuid' })
  registrationId!: string;

  /**
   * SHA-256 of the mark in the browser's cookie. A fast hash is enough for 256 random bits, which cannot be guessed.
   */
  @Property({ type: 'blob' })
  markHash!: Buffer;

  /** Browser and system in words (platform/request/user-agent.ts); null when unknown. */
  @Property({ type: 'text', nullable: true })
  client: string | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt!: Date & Opt;

  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
