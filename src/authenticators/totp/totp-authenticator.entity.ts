import { PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, OneToOne, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../../accounts/user.entity.ts';

/** The authenticator app of an account, confirmed and in use. */
@Entity({ tableName: 'totp_authenticator' })
export class TotpAuthenticator {
  @OneToOne(() => User, { primary: true, mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade' })
  userId!: string;

  /** See totp-secrets.ts. */
  @Property({ type: 'blob' })
  sealedSecret!: Buffer;

  /** The time step of the last accepted code. This code and all earlier ones are used up (RFC 6238 section 5.2). */
  @Property({ type: 'integer' })
  lastStep!: number;

  [PrimaryKeyProp]?: 'userId';
}
