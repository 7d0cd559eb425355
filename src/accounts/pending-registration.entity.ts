import type { Opt } from '@mikro-orm/core';
import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../platform/id.ts';

/**
 * A registration whose address is not proved yet. It is made whether or not the address has an account, so that no
 * answer tells which. Only a free address gets a link that turns the registration into an account.
 */
@Entity({ tableName: 'pending_registration' })
@Index({ name: 'pending_registration_email_key_index', properties: ['emailKey'] })
@Index({
  name: 'pending_registration_username_skeletons_index',
  expression:
    'create index pending_registration_username_skeletons_index on pending_registration using gin (username_skeletons) with (fastupdate = off)',
})
@Index({ name: 'pending_registration_expires_at_index', properties: ['expiresAt'] })
export class PendingRegistration {
  /** The id of the future account. */
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  @Property({ type: 'text' })
  username!: string;

  /** Reserved until the registration is confirmed or expires. */
  @Property({ type: 'text', unique: 'pending_registration_username_key_unique' })
  usernameKey!: string;

  /** See username-skeleton.ts. Null in rows of the previous release. */
  @Property({ type: 'text[]', nullable: true })
  usernameSkeletons: string[] | null = null;

  @Property({ type: 'text' })
  email!: string;

  /** Not unique: anyone may claim any address. */
  @Property({ type: 'text' })
  emailKey!: string;

  @Property({ type: 'text', nullable: true })
  displayName: string | null = null;

  @Property({ type: 'text' })
  hash!: string;

  @Property({ type: 'text', nullable: true })
  pepperId: string | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
