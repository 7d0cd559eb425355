import { PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Index, OneToOne, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../../accounts/user.entity.ts';

/**
 * A secret that was shown and is not confirmed yet. It has a table of its own, so that an authenticator in use stays
 * unchanged.
 */
@Entity({ tableName: 'totp_enrolment' })
export class TotpEnrolment {
  @OneToOne(() => User, { primary: true, mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade' })
  userId!: string;

  /**
   * The session that started the enrolment. Only that session may confirm it. No foreign key: sessions may be stored in
   * Redis.
   */
  @Property({ type: 'uuid' })
  sessionId!: string;

  /** See totp-secrets.ts. */
  @Property({ type: 'blob' })
  sealedSecret!: Buffer;

  @Index({ name: 'totp_enrolment_expires_at_index' })
  @Property({ type: 'timestamptz' })
  expiresAt!: Date;

  [PrimaryKeyProp]?: 'userId';
}
