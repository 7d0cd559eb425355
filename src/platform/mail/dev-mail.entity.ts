import type { Opt } from '@mikro-orm/core';
import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../id.ts';

/** A mail that would have been sent, kept for the developer at /dev/mailbox. */
@Entity({ tableName: 'dev_mail' })
@Index({ name: 'dev_mail_created_at_index', properties: ['createdAt'] })
export class DevMail {
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  /** Encrypted: it names people and carries tokens, and the deletion of an account does not remove it. */
  @Property({ type: 'blob' })
  sealedMail!: Buffer;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();
}
