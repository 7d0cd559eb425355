import type { Opt } from '@mikro-orm/core';
import { Entity, Enum, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../id.ts';

export enum AuditOutcome {
  SUCCESS = 'SUCCESS',
  /** The attempt failed: a wrong password, a reused token. */
  FAILURE = 'FAILURE',
  /** The attempt was refused, by a permission or a rate limit. */
  DENIED = 'DENIED',
}

/**
 * One event of the audit trail: actor, action, subject, time and source. The serving login can insert and select, never
 * update or delete. An event holds user ids, but no names or e-mail addresses, and no foreign keys, since it outlives
 * the account.
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

  /** The writing transaction, for the audit stream. Null for events from before the first audit stream. */
  @Property({ columnType: 'xid8', type: 'string', nullable: true, defaultRaw: 'pg_current_xact_id()' })
  writtenBy!: Opt<string> | null;
}
