import { PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Index, OneToOne, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';

/** What is left of an account's guesses at its second factor: two token buckets, each as the time at which it is full. */
@Entity({ tableName: 'second_factor_guesses' })
export class SecondFactorGuesses {
  @OneToOne(() => User, { primary: true, mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade' })
  userId!: string;

  /** Of all guesses together. */
  @Index({ name: 'second_factor_guesses_full_at_index' })
  @Property({ type: 'timestamptz' })
  fullAt!: Date;

  /** Of those at recovery codes. */
  @Property({ type: 'timestamptz' })
  recoveryFullAt!: Date;

  [PrimaryKeyProp]?: 'userId';
}
