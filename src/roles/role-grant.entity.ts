import { type Opt, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';
import { Role } from './role.entity.ts';

/** The grant of a role to a user. */
@Entity({ tableName: 'role_grant' })
@Index({ name: 'role_grant_holders_index', properties: ['role', 'userId'] })
export class RoleGrant {
  @ManyToOne(() => User, { primary: true, mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade' })
  userId!: string;

  @ManyToOne(() => Role, { primary: true, fieldName: 'role_id', deleteRule: 'cascade' })
  role!: Role;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  grantedAt: Date & Opt = new Date();

  [PrimaryKeyProp]?: ['userId', 'role'];
}
