import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import type { RequestSource } from '../platform/request/index.ts';

/** Who saw whose account. */
export interface AccountAccess {
  readonly actorId: string;
  readonly userId: string;
}

/** Records that somebody was shown an account, where no event of a change says so; one's own needs no record. */
export async function auditAccountAccess(
  em: EntityManager,
  audit: AuditLog,
  { actorId, userId }: AccountAccess,
  source: RequestSource,
): Promise<void> {
  if (actorId === userId) return;
  await audit.record(em, source, { action: 'account.read', actorId, subjectId: userId });
}
