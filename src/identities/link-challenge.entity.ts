import { Entity, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';

/** An identity that waits for the owner of an account to prove the account, before it is linked. */
@Entity({ tableName: 'link_challenge' })
export class LinkChallenge {
  /** SHA-256 is enough: 256 random bits cannot be guessed. */
  @PrimaryKey({ type: 'blob' })
  tokenHash!: Buffer;

  /** The only account whose proof completes this challenge. */
  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade', index: true })
  userId!: string;

  /** Name of the provider (identity-provider.ts). */
  @Property({ type: 'text' })
  provider!: string;

  @Property({ type: 'jsonb' })
  identity!: Record<string, string>;

  @Index({ name: 'link_challenge_expires_at_index' })
  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
