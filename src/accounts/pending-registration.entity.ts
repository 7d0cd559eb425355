import type { Opt } from '@mikro-orm/core';
import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../platform/id.ts';

/**
 * Somebody registered and has not proved the address yet. There is one whether or not the address has an account, so
 * that nobody can tell; only for a free address is a link mailed that turns it into an account.
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
  /** Of the account to be. */
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  @Property({ type: 'text' })
  username!: string;

  /** Reserved while this lasts. */
  @Property({ type: 'text', unique: 'pending_registration_username_key_unique' })
  usernameKey!: string;

  /** See username-skeleton.ts; null where the previous release wrote the row. */
  @Property({ type: 'text[]', nullable: true })
  usernameSkeletons: string[] | null = null;

  @Property({ type: 'text' })
  email!: string;

  /** Not unique: anybody may claim any address. */
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
