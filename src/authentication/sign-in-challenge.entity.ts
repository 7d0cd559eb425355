import type { Opt } from '@mikro-orm/core';
import { Entity, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';

/** A sign-in whose first factor was proved and whose second one is awaited. */
@Entity({ tableName: 'sign_in_challenge' })
export class SignInChallenge {
  /** SHA-256: enough for 256 random bits, which nobody can try. */
  @PrimaryKey({ type: 'blob' })
  tokenHash!: Buffer;

  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade', index: true })
  userId!: string;

  /** Authentication methods of the first step (RFC 8176). */
  @Property({ type: 'text[]' })
  amr!: string[];

  /** Of the identity that is to be linked once the sign-in is complete. */
  @Property({ type: 'blob', nullable: true })
  linkChallengeHash: Buffer | null = null;

  /** What the account's credentials were like (sign-in-challenges.ts): any change of them voids the challenge. */
  @Property({ type: 'text' })
  accountState!: string;

  @Property({ type: 'smallint', default: 0 })
  attempts: number & Opt = 0;

  @Index({ name: 'sign_in_challenge_expires_at_index' })
  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
