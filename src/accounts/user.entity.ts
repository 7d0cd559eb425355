import type { Opt } from '@mikro-orm/core';
import { Entity, Enum, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../platform/id.ts';

export enum DeactivatedBy {
  OWNER = 'OWNER',
  ADMIN = 'ADMIN',
}

/** A person's account: the subject of every token. Credentials are in tables of their own. */
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

  /** The form by which usernames are unique; see username.ts. */
  @Property({ type: 'text', unique: 'users_username_key_unique' })
  usernameKey!: string;

  /**
   * The appearance, which no other username may share; see username-skeleton.ts. Null until a start of this release
   * fills it.
   */
  @Property({ type: 'text[]', nullable: true })
  usernameSkeletons: string[] | null = null;

  @Property({ type: 'text', nullable: true })
  email: string | null = null;

  /** The form by which addresses are unique; see email-address.ts. */
  @Property({ type: 'text', nullable: true, unique: 'users_email_key_unique' })
  emailKey: string | null = null;

  @Property({ type: 'timestamptz', nullable: true })
  emailConfirmedAt: Date | null = null;

  @Property({ type: 'text', nullable: true })
  displayName: string | null = null;

  /** Access tokens with a smaller number are void. Every change that must take effect at once raises it. */
  @Property({ type: 'integer', default: 0 })
  epoch: number & Opt = 0;

  /**
   * The guess round of the buckets that count guesses at this account (guesses/guess-rounds.ts). Raised when an
   * administrator unlocks the account.
   */
  @Property({ type: 'integer', default: 0 })
  guessRound: number & Opt = 0;

  /**
   * When the account got a second factor, which every sign-in since then needs; null without one. The column is here
   * and not beside the secret, so that a transaction that locks the row reads its current value (lockActiveAccount).
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
