import type { PersonalData } from '../personal-data.ts';
import { AuditEvent } from './audit-event.entity.ts';

/** Entries at most: an export is one reply. */
const LIMIT = 1_000;

/** What the audit trail says of a person, the newest first. What others did is told without naming them. */
export const auditData: PersonalData = {
  section: 'securityEvents',
  collect: async (em, userId) => {
    const events = await em.find(
      AuditEvent,
      { $or: [{ subjectId: userId }, { actorId: userId }] },
      { orderBy: { id: 'desc' }, limit: LIMIT },
    );
    return events.map(({ at, action, actorId, outcome, ipAddress, userAgent, requestId, details }) => ({
      at,
      action,
      byYou: actorId === userId,
      outcome,
      ...(actorId === userId && { ipAddress, userAgent, requestId }),
      details,
    }));
  },
};
