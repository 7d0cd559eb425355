import type { Opt } from '@mikro-orm/core';
import { Entity, Enum, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../id.ts';

export enum AuditOutcome {
  SUCCESS = 'SUCCESS',
  /** Tried and wrong: a bad password, a reused token. */
  FAILURE = 'FAILURE',
  /** Not allowed, or a limit was hit. */
  DENIED = 'DENIED',
}

/**
 * Who did what to whom, when, from where. The login that serves can insert and select, never update or delete.
 * It holds user ids and no names or addresses of accounts, and no foreign keys: it outlives the account.
 */
@Entity({ tableName: 'audit_event' })
@Index({ name: 'audit_event_at_index', properties: ['at', 'id'] })
@Index({ name: 'audit_event_action_index', properties: ['action', 'at', 'id'] })
@Index({ name: 'audit_event_subject_index', properties: ['subjectId', 'at', 'id'] })
@Index({ name: 'audit_event_actor_index', properties: ['actorId', 'at', 'id'] })
@Index({ name: 'audit_event_ip_address_index', properties: ['ipAddress', 'at', 'id'] })
@Index({
  name: 'audit_event_unsuccessful_index',
  expression:
    "create index audit_event_unsuccessful_index on audit_event (outcome, at, id) where outcome <> 'SUCCESS'",
})
@Index({
  name: 'audit_event_written_by_index',
  expression:
    'create index audit_event_written_by_index on audit_event (written_by, id) where written_by is not null',
})
export class AuditEvent {
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  at!: Opt<Date>;

  /** Dotted words: `session.created`, `password.changed`. */
  @Property({ type: 'text' })
  action!: string;

  @Property({ type: 'uuid', nullable: true })
  actorId: string | null = null;

  @Property({ type: 'uuid', nullable: true })
  subjectId: string | null = null;

  @Enum({ items: () => AuditOutcome, type: 'text' })
  outcome!: AuditOutcome;

  @Property({ type: 'text', nullable: true })
  ipAddress: string | null = null;

  @Property({ type: 'text', nullable: true })
  userAgent: string | null = null;

  @Property({ type: 'text', nullable: true })
  requestId: string | null = null;

  @Property({ type: 'jsonb', nullable: true })
  details: Record<string, unknown> | null = null;

  /** The writing transaction, for the audit stream. Null for events of before there was one. */
  @Property({ columnType: 'xid8', type: 'string', nullable: true, defaultRaw: 'pg_current_xact_id()' })
  writtenBy!: Opt<string> | null;
}
