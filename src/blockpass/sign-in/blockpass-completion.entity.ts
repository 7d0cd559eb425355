import type { Opt } from '@mikro-orm/core';
import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/** A session of a QR code that Blockpass must still be told to complete (sign-in-completions.ts). */
@Entity({ tableName: 'blockpass_completion' })
@Index({ name: 'blockpass_completion_due_at_index', properties: ['dueAt'] })
export class BlockpassCompletion {
  @PrimaryKey({ type: 'text' })
  sessionCode!: string;

  @Property({ type: 'text' })
  blockpassId!: string;

  /** The tokens of the handshake that named the session. Blockpass accepts no others. */
  @Property({ type: 'blob' })
  sealedTokens!: Buffer;

  /** Number of attempts that began. It also distinguishes a claim from a later one. */
  @Property({ type: 'integer', default: 1 })
  attempts: number & Opt = 1;

  /** When the next attempt may begin: at the end of the lease, or of the backoff after a failure. */
  @Property({ type: 'timestamptz' })
  dueAt!: Date;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();
}
