import { Entity, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';

/** An identity that waits for the owner of an account to prove that the two belong together. */
@Entity({ tableName: 'link_challenge' })
export class LinkChallenge {
  /** SHA-256: enough for 256 random bits, which nobody can try. */
  @PrimaryKey({ type: 'blob' })
  tokenHash!: Buffer;

  /** The account that must be proved; no other will do. */
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
