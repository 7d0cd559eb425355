import type { EntityManager } from '@mikro-orm/postgresql';
import { preparedStatement, sql } from '../platform/database/index.ts';
import { UserType } from './account.types.ts';
import type { DeactivatedBy } from './user.entity.ts';

/** A row of `accountColumns`. */
export interface AccountRow {
  id: string;
  username: string;
  email: string | null;
  email_confirmed: boolean;
  display_name: string | null;
  deactivated_by: DeactivatedBy | null;
  created_at: string;
  updated_at: string | null;
}

/** Columns of a user `u` that the schema shows of an account. */
export const accountColumns = sql`
  u.id, u.username, u.email, u.email_confirmed_at is not null as email_confirmed, u.display_name, u.deactivated_by,
  u.created_at, u.updated_at`;

export function toAccount(row: AccountRow): UserType {
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

/**
 * Reads an account as the schema shows it. It is one written statement, because every page of every front end reads the
 * account of its caller. As an entity, it costs twice as much as the rest of the request.
 */
export async function readAccount(em: EntityManager, userId: string): Promise<UserType | null> {
  const [row] = await preparedStatement(
    em,
    sql<AccountRow>`select ${accountColumns} from users u where u.id = ${userId}`,
  );
  return row ? toAccount(row) : null;
}
