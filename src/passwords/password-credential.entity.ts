import { type Opt, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, OneToOne, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';

/** The password of an account, hashed. An account without one signs in by others only. */
@Entity({ tableName: 'password_credential' })
export class PasswordCredential {
  @OneToOne(() => User, { primary: true, mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade' })
  userId!: string;

  /** bcrypt or PHC string. */
  @Property({ type: 'text' })
  hash!: string;

  /** Which PASSWORD_PEPPER keyed the pre-hash; null for a hash that was imported. */
  @Property({ type: 'text', nullable: true })
  pepperId: string | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  changedAt: Date & Opt = new Date();

  [PrimaryKeyProp]?: 'userId';
}
