import { PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Index, OneToOne, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';

/**
 * The guesses that an account has left at its second factor: two token buckets, each stored as the time at which it is
 * full.
 */
@Entity({ tableName: 'second_factor_guesses' })
export class SecondFactorGuesses {
  @OneToOne(() => User, { primary: true, mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade' })
  userId!: string;

  /** The bucket of all guesses together. */
  @Index({ name: 'second_factor_guesses_full_at_index' })
  @Property({ type: 'timestamptz' })
  fullAt!: Date;

  /** The bucket of guesses at recovery codes. */
  @Property({ type: 'timestamptz' })
  recoveryFullAt!: Date;

  [PrimaryKeyProp]?: 'userId';
}
