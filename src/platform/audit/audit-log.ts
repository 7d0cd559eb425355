import type { EntityManager } from '@mikro-orm/postgresql';
import { afterCommit, sql, statement } from '../database/index.ts';
import { newId } from '../id.ts';
import type { RequestSource } from '../request/request-source.ts';
import type { AuditCounter } from './audit-counter.ts';
import { AuditOutcome } from './audit-event.entity.ts';

export interface AuditEntry {
  action: string;
  /** The account that acted; null when no account was proved. */
  actorId: string | null;
  /** The account that the event concerns; null when there is none. */
  subjectId: string | null;
  outcome?: AuditOutcome;
  /** Small facts. Never a secret, or the name or e-mail address of an account. */
  details?: Record<string, unknown>;
}

/**
 * Writes the audit trail. Call it in the transaction of the change: a change that cannot be recorded is rolled back.
 */
export class AuditLog {
  /** @param counters of the metrics; none where nothing collects metrics */
  constructor(private readonly counters: ReadonlyArray<AuditCounter<string>> = []) {}

  record(em: EntityManager, source: RequestSource, entry: AuditEntry): Promise<void> {
    return this.recordAll(em, source, [entry]);
  }

  /**
   * Records many events by one hand-written statement. Every sign-in waits for it, and writing through the entity would
   * cost as much as the rest of the transaction.
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
    if (this.counters.length === 0) return;
    afterCommit(em, () => {
      for (const entry of entries) for (const counter of this.counters) counter.count(entry);
    });
  }
}
