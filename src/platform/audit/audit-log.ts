import type { EntityManager } from '@mikro-orm/postgresql';
import { newId } from '../id.ts';
import type { RequestOrigin } from '../request/origin.ts';
import { AuditEvent, AuditOutcome } from './audit-event.entity.ts';

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
  async record(em: EntityManager, origin: RequestOrigin, entry: AuditEntry): Promise<void> {
    await em.insert(AuditEvent, eventOf(origin, entry));
  }

  /** Many events by one statement. */
  async recordAll(em: EntityManager, origin: RequestOrigin, entries: readonly AuditEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await em.insertMany(
      AuditEvent,
      entries.map((entry) => eventOf(origin, entry)),
    );
  }
}

const eventOf = (origin: RequestOrigin, entry: AuditEntry) => ({
  id: newId(),
  action: entry.action,
  actorId: entry.actorId,
  subjectId: entry.subjectId,
  outcome: entry.outcome ?? AuditOutcome.SUCCESS,
  ipAddress: origin.clientAddress,
  userAgent: origin.userAgent,
  requestId: origin.requestId,
  details: entry.details ?? null,
});
