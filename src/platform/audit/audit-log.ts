import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../database/index.ts';
import { newId } from '../id.ts';
import type { RequestSource } from '../request/request-source.ts';
import { AuditOutcome } from './audit-event.entity.ts';

export interface AuditEntry {
  action: string;
  /** Who acted; null where nobody has proved who they are. */
  actorId: string | null;
  /** Whom it concerns; null where no such account exists, and where it concerns no account. */
  subjectId: string | null;
  outcome?: AuditOutcome;
  /** Small facts, never a secret, a name or an address of an account. */
  details?: Record<string, unknown>;
}

/** Writes the audit trail. Call it in the transaction of the change: what cannot be recorded does not happen. */
export class AuditLog {
  record(em: EntityManager, source: RequestSource, entry: AuditEntry): Promise<void> {
    return this.recordAll(em, source, [entry]);
  }

  /**
   * Many events by one statement, a written one: every sign-in waits for it, and by way of the entity it costs as much
   * as the rest of the transaction.
   */
  async recordAll(em: EntityManager, source: RequestSource, entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const { clientIp, userAgent, requestId } = source;
    const events = entries.map(({ action, actorId, subjectId, outcome = AuditOutcome.SUCCESS, details }) => ({
      id: newId(),
      action,
      actor_id: actorId,
      subject_id: subjectId,
      outcome,
      details: details ?? null,
    }));
    await statement(
      em,
      sql`
        insert into audit_event
          (id, action, actor_id, subject_id, outcome, details, ip_address, user_agent, request_id)
        select *, ${clientIp}::text, ${userAgent}::text, ${requestId}::text
        from jsonb_to_recordset(${JSON.stringify(events)}::jsonb)
          as event (id uuid, action text, actor_id uuid, subject_id uuid, outcome text, details jsonb)`,
    );
  }
}
