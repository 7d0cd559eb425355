import type { Opt } from '@mikro-orm/core';
import { Entity, Enum, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../platform/id.ts';

/** What a mailed token is good for. It is good for nothing else. */
export enum TokenPurpose {
  /** Proves the address of an account, or makes the account of a pending registration. */
  CONFIRM_EMAIL = 'CONFIRM_EMAIL',
  RESET_PASSWORD = 'RESET_PASSWORD',
  /** Makes `address` the address of the account. */
  CHANGE_EMAIL = 'CHANGE_EMAIL',
  /** Brings `address` back. */
  UNDO_EMAIL_CHANGE = 'UNDO_EMAIL_CHANGE',
}

/** A mailed token. A row that exists is good until it expires: to use or to void a token is to delete its row. */
@Entity({ tableName: 'one_time_token' })
@Index({ name: 'one_time_token_user_id_index', properties: ['userId'] })
@Index({ name: 'one_time_token_expires_at_index', properties: ['expiresAt'] })
@Index({ name: 'one_time_token_address_key_index', properties: ['addressKey'] })
export class OneTimeToken {
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  @Enum({ items: () => TokenPurpose, type: 'text' })
  purpose!: TokenPurpose;

  /** SHA-256: enough for 256 random bits, which nobody can try. */
  @Property({ type: 'blob', unique: 'one_time_token_hash_unique' })
  hash!: Buffer;

  /** Account, or pending registration, that it was made for. */
  @Property({ type: 'uuid' })
  userId!: string;

  /** The address that it proves, sets or brings back. */
  @Property({ type: 'text' })
  address!: string;

  /** The form in which addresses are compared (accounts/email-address.ts). */
  @Property({ type: 'text' })
  addressKey!: string;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
