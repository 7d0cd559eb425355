import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';

/** What an access token says of its subject, besides the session. */
export interface Subject {
  readonly userId: string;
  readonly epoch: number;
  /** Names, sorted. */
  readonly roles: readonly string[];
}

/**
 * Loads epoch and roles in one statement, hence from one snapshot: no race lets old roles out with a new epoch.
 * The same statement asks whether the session has an ending, so that a session store that forgot one cannot revive it.
 * @returns null when the account is gone or deactivated, or the session has ended.
 */
export async function loadSubject(
  em: EntityManager,
  userId: string,
  sessionId: string,
): Promise<Subject | null> {
  const [row] = await statement(
    em,
    sql<{ epoch: number; roles: string[] }>`
      select u.epoch,
             array(select r.name from role_grant g join role r on r.id = g.role_id
                   where g.user_id = u.id order by r.name) as roles
      from users u
      where u.id = ${userId} and u.deactivated_by is null
        and not exists (select from ending e where e.session_id = ${sessionId} and e.kind = 'SESSION')`,
  );
  return row ? { userId, epoch: row.epoch, roles: row.roles } : null;
}
