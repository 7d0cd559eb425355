import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import type { Caller } from '../platform/request/index.ts';

/**
 * Whether the token of the caller is still valid, according to the database instead of the memory of this process.
 * Check it under the lock on the account before adding a credential that outlives the session (a password, a way to
 * sign in). The request may have been admitted before its session ended, and have waited since.
 */
export async function isUnrevoked(
  em: EntityManager,
  { userId, sessionId, epoch, keyId }: Caller,
): Promise<boolean> {
  const [row] = await statement(
    em,
    sql<{ good: boolean }>`
      select u.epoch <= ${epoch}
             and not exists (select from ending e where e.session_id = ${sessionId} and e.kind = 'SESSION')
             and not exists (select from signing_key k where k.kid = ${keyId} and k.removed_after <= now())
             as good
      from users u where u.id = ${userId}`,
  );
  return row?.good === true;
}
