import type { Opt } from '@mikro-orm/core';
import { Entity, Enum, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../platform/id.ts';

export enum DeactivatedBy {
  OWNER = 'OWNER',
  ADMIN = 'ADMIN',
}

/** A person's account: the subject of every token. Credentials stand in tables of their own. */
@Entity({ tableName: 'users' })
@Index({
  name: 'users_username_search_index',
  expression: 'create index users_username_search_index on users (username_key collate "C")',
})
@Index({
  name: 'users_email_search_index',
  expression: 'create index users_email_search_index on users (email_key collate "C")',
})
@Index({
  name: 'users_other_email_search_index',
  expression: `create index users_other_email_search_index on users (email_key collate "C") where split_part(email_key, '@', 1) <> username_key`,
})
@Index({
  name: 'users_username_skeletons_index',
  expression:
    'create index users_username_skeletons_index on users using gin (username_skeletons) with (fastupdate = off)',
})
@Index({
  name: 'users_without_skeletons_index',
  expression: 'create index users_without_skeletons_index on users (id) where username_skeletons is null',
})
@Index({
  name: 'users_deactivated_index',
  expression: 'create index users_deactivated_index on users (id) where deactivated_by is not null',
})
export class User {
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  /** As the person wrote it, in NFKC. */
  @Property({ type: 'text' })
  username!: string;

  /** What makes it unique: see username.ts. */
  @Property({ type: 'text', unique: 'users_username_key_unique' })
  usernameKey!: string;

  /** What no other username may look like: see username-skeleton.ts. Null until a start of this release fills it. */
  @Property({ type: 'text[]', nullable: true })
  usernameSkeletons: string[] | null = null;

  @Property({ type: 'text', nullable: true })
  email: string | null = null;

  /** What makes it unique: see email-address.ts. */
  @Property({ type: 'text', nullable: true, unique: 'users_email_key_unique' })
  emailKey: string | null = null;

  @Property({ type: 'timestamptz', nullable: true })
  emailConfirmedAt: Date | null = null;

  @Property({ type: 'text', nullable: true })
  displayName: string | null = null;

  /** Access tokens that carry a smaller number are void: raised by every change that must bite at once. */
  @Property({ type: 'integer', default: 0 })
  epoch: number & Opt = 0;

  /** Of the buckets that count guesses at this account (guesses/guess-rounds.ts): raised when an administrator unlocks it. */
  @Property({ type: 'integer', default: 0 })
  guessRound: number & Opt = 0;

  /**
   * Since when every sign-in asks for a second factor; null without one. Here and not beside the secret, so that
   * whoever locks the row also reads it as it is then (lockActiveAccount).
   */
  @Property({ type: 'timestamptz', nullable: true })
  secondFactorSince: Date | null = null;

  @Enum({ items: () => DeactivatedBy, type: 'text', nullable: true })
  deactivatedBy: DeactivatedBy | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz', nullable: true })
  updatedAt: Date | null = null;
}
