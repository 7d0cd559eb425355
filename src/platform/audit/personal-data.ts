import type { PersonalData } from '../personal-data.ts';
import { AuditEvent } from './audit-event.entity.ts';

/** Limit of exported events: an export is one reply. */
const LIMIT = 1_000;

/** The audit events about a person, newest first. Acts of other people are listed without naming those people. */
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
