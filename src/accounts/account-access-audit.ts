import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import type { RequestSource } from '../platform/request/index.ts';

/** An actor, and the account that the actor read. */
export interface AccountAccess {
  readonly actorId: string;
  readonly userId: string;
}

/** Audits reads of other people's accounts that no other event covers. Reads of one's own account are not audited. */
export async function auditAccountAccess(
  em: EntityManager,
  audit: AuditLog,
  { actorId, userId }: AccountAccess,
  source: RequestSource,
): Promise<void> {
  if (actorId === userId) return;
  await audit.record(em, source, { action: 'account.read', actorId, subjectId: userId });
}
