import type { Opt } from '@mikro-orm/core';
import { Entity, ManyToOne, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';
import { newId } from '../platform/id.ts';

/**
 * A Google account that signs in to an account. Its key is issuer and subject, never an address (OpenID Connect Core
 * section 5.7).
 */
@Entity({ tableName: 'google_identity' })
@Unique({ name: 'google_identity_issuer_subject_unique', properties: ['issuer', 'subject'] })
export class GoogleIdentity {
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  /** An account has at most one. */
  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'user_id',
    deleteRule: 'cascade',
    unique: 'google_identity_user_id_unique',
  })
  userId!: string;

  @Property({ type: 'text' })
  issuer!: string;

  @Property({ type: 'text' })
  subject!: string;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  linkedAt: Date & Opt = new Date();
}
