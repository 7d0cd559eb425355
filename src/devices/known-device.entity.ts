import { type Opt, PrimaryKeyProp } from '@mikro-orm/core';
import { Entity, Index, ManyToOne, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';

/** A device from which a person has signed in to an account, or has set its password by a mailed link. */
@Entity({ tableName: 'known_device' })
@Index({ name: 'known_device_last_seen_at_index', properties: ['lastSeenAt'] })
export class KnownDevice {
  [PrimaryKeyProp]?: ['userId', 'markHash'];

  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade', primary: true })
  userId!: string;

  /** SHA-256 of the mark in the cookie. A fast hash is enough for 256 random bits, which cannot be guessed. */
  @Property({ type: 'blob', primary: true })
  markHash!: Buffer;

  /**
   * User agent without the digits of versions, which change with every update; empty when none was sent. It decides
   * which devices are forgotten first, and proves nothing.
   */
  @Property({ type: 'text' })
  agent!: string;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  firstSeenAt!: Date & Opt;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  lastSeenAt!: Date & Opt;
}
