import type { Opt } from '@mikro-orm/core';
import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../platform/id.ts';

/** A named set of permissions. */
@Entity({ tableName: 'role' })
@Index({
  name: 'role_name_case_unique',
  expression: 'create unique index role_name_case_unique on role (lower(name collate "C"))',
})
export class Role {
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  /** Unique without regard to case. Tokens and look-ups use it exactly as written. */
  @Property({ type: 'text', unique: 'role_name_unique' })
  name!: string;

  @Property({ type: 'text', nullable: true })
  description: string | null = null;

  /** Words with dots or colons. `*` stands for all of them, and only `superuser` has it. */
  @Property({ type: 'text[]' })
  permissions!: string[];

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();
}
