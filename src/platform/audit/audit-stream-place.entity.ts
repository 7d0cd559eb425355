import type { Opt } from '@mikro-orm/core';
import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/** How far the audit stream has come, and which process is shipping. One row, made when a stream is first turned on. */
@Entity({ tableName: 'audit_stream' })
export class AuditStreamPlace {
  @PrimaryKey({ type: 'text' })
  name!: string;

  /** Transaction and id of the last event that was shipped. */
  @Property({ columnType: 'xid8', type: 'string' })
  writtenBy!: string;

  @Property({ type: 'uuid' })
  eventId!: string;

  /** The latest time of any event that was shipped. */
  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  lastAt!: Opt<Date>;

  /** Events of this time or before are not shipped: they were, by the server that this database was moved from. */
  @Property({ type: 'timestamptz', nullable: true })
  since: Date | null = null;

  /** The process that ships, until the lease is over. */
  @Property({ type: 'uuid', nullable: true })
  leasedBy: string | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  leasedUntil!: Opt<Date>;
}
