import type { Opt } from '@mikro-orm/core';
import { Entity, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';

/** A sign-in with a proved first factor, which waits for its second factor. */
@Entity({ tableName: 'sign_in_challenge' })
export class SignInChallenge {
  /** SHA-256. A fast hash is enough for 256 random bits, which cannot be guessed. */
  @PrimaryKey({ type: 'blob' })
  tokenHash!: Buffer;

  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade', index: true })
  userId!: string;

  /** Authentication methods of the first step (RFC 8176). */
  @Property({ type: 'text[]' })
  amr!: string[];

  /** Names the identity to link when the sign-in is complete. */
  @Property({ type: 'blob', nullable: true })
  linkChallengeHash: Buffer | null = null;

  /** The state of the account's credentials (sign-in-challenges.ts). Any change of them voids the challenge. */
  @Property({ type: 'text' })
  accountState!: string;

  @Property({ type: 'smallint', default: 0 })
  attempts: number & Opt = 0;

  @Index({ name: 'sign_in_challenge_expires_at_index' })
  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
