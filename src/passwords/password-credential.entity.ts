import { type Opt, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, OneToOne, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';

/** The hashed password of an account. An account without one signs in by other methods only. */
@Entity({ tableName: 'password_credential' })
export class PasswordCredential {
  @OneToOne(() => User, { primary: true, mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade' })
  userId!: string;

  /** bcrypt or PHC string. */
  @Property({ type: 'text' })
  hash!: string;

  /** The PASSWORD_PEPPER that keyed the pre-hash; null for an imported hash. */
  @Property({ type: 'text', nullable: true })
  pepperId: string | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  changedAt: Date & Opt = new Date();

  [PrimaryKeyProp]?: 'userId';
}
