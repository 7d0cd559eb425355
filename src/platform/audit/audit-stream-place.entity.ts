import type { Opt } from '@mikro-orm/core';
import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/** The position of the audit stream, and the process that ships. One row, made when a stream is first turned on. */
@Entity({ tableName: 'audit_stream' })
export class AuditStreamPlace {
  @PrimaryKey({ type: 'text' })
  name!: string;

  /** Transaction and id of the last shipped event. */
  @Property({ columnType: 'xid8', type: 'string' })
  writtenBy!: string;

  @Property({ type: 'uuid' })
  eventId!: string;

  /** The latest time of a shipped event. */
  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  lastAt!: Opt<Date>;

  /** Events of this time or before are not shipped: the server from which this database was moved has shipped them. */
  @Property({ type: 'timestamptz', nullable: true })
  since: Date | null = null;

  /** The process that ships until the lease ends. */
  @Property({ type: 'uuid', nullable: true })
  leasedBy: string | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  leasedUntil!: Opt<Date>;
}
