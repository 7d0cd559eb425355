import type { Opt } from '@mikro-orm/core';
import { Entity, Enum, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../platform/id.ts';

/** The only use of a mailed token. */
export enum TokenPurpose {
  /** Proves the address of an account, or completes a pending registration. */
  CONFIRM_EMAIL = 'CONFIRM_EMAIL',
  RESET_PASSWORD = 'RESET_PASSWORD',
  /** Makes `address` the address of the account. */
  CHANGE_EMAIL = 'CHANGE_EMAIL',
  /** Brings `address` back. */
  UNDO_EMAIL_CHANGE = 'UNDO_EMAIL_CHANGE',
}

/** A mailed token. An existing, unexpired row is valid: a token is consumed or voided by deleting its row. */
@Entity({ tableName: 'one_time_token' })
@Index({ name: 'one_time_token_user_id_index', properties: ['userId'] })
@Index({ name: 'one_time_token_expires_at_index', properties: ['expiresAt'] })
@Index({ name: 'one_time_token_address_key_index', properties: ['addressKey'] })
export class OneTimeToken {
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  @Enum({ items: () => TokenPurpose, type: 'text' })
  purpose!: TokenPurpose;

  /** SHA-256 is enough: 256 random bits cannot be guessed. */
  @Property({ type: 'blob', unique: 'one_time_token_hash_unique' })
  hash!: Buffer;

  /** The account or pending registration of the token. */
  @Property({ type: 'uuid' })
  userId!: string;

  /** The address that the token proves, sets or brings back. */
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
