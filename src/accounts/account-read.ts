import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { UserType } from './account.types.ts';
import type { DeactivatedBy } from './user.entity.ts';

interface AccountRow {
  id: string;
  username: string;
  email: string | null;
  email_confirmed: boolean;
  display_name: string | null;
  deactivated_by: DeactivatedBy | null;
  created_at: string;
  updated_at: string | null;
}

/**
 * The account of a caller as the schema shows it. One written statement, because every page of every frontend asks
 * it: as an entity it costs twice the whole rest of the request.
 */
export async function readAccount(em: EntityManager, userId: string): Promise<UserType | null> {
  const [row] = await statement(
    em,
    sql<AccountRow>`
      select id, username, email, email_confirmed_at is not null as email_confirmed, display_name, deactivated_by,
             created_at, updated_at
      from users where id = ${userId}`,
  );
  if (!row) return null;
  return Object.assign(new UserType(), {
    id: row.id,
    username: row.username,
    email: row.email,
    emailConfirmed: row.email_confirmed,
    displayName: row.display_name,
    isActive: row.deactivated_by === null,
    deactivatedBy: row.deactivated_by,
    createdAt: new Date(row.created_at),
    updatedAt: row.updated_at === null ? null : new Date(row.updated_at),
  });
}
