import { type Opt, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../../accounts/user.entity.ts';

/** A valid recovery code. A used or replaced code has no row. */
@Entity({ tableName: 'recovery_code' })
export class RecoveryCode {
  @ManyToOne(() => User, {
    primary: true,
    mapToPk: true,
    fieldName: 'user_id',
    deleteRule: 'cascade',
    index: false,
  })
  userId!: string;

  /** SHA-256. */
  @PrimaryKey({ type: 'blob' })
  codeHash!: Buffer;

  /** Null for codes that are older than the column. */
  @Property({ type: 'timestamptz', nullable: true, defaultRaw: 'now()' })
  createdAt: (Date & Opt) | null = new Date();

  [PrimaryKeyProp]?: ['userId', 'codeHash'];
}
