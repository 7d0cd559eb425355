import type { EntityManager } from '@mikro-orm/postgresql';
import type { DeactivatedBy } from '../accounts/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import type { UserRecord } from './user-record.ts';

/** Rows of one statement, so that memory stays the same for any number of accounts. */
const BATCH = 1_000;

interface Row {
  id: string;
  username: string;
  email: string | null;
  email_confirmed: boolean;
  display_name: string | null;
  deactivated_by: DeactivatedBy | null;
  created_at: string;
  roles: string[];
  hash: string | null;
  pepper_id: string | null;
}

/** Exports every account, in the format that UserImport reads. */
export async function* exportUsers(
  fork: () => EntityManager,
  { withPasswordHashes }: { withPasswordHashes: boolean },
): AsyncGenerator<UserRecord[]> {
  let after: string | null = null;
  for (;;) {
    const rows: Row[] = await statement(
      fork(),
      sql<Row>`
        select u.id, u.username, u.email, u.email_confirmed_at is not null as email_confirmed, u.display_name,
               u.deactivated_by, u.created_at, c.hash, c.pepper_id,
               array(select r.name from role_grant g join role r on r.id = g.role_id
                     where g.user_id = u.id order by r.name) as roles
        from users u left join password_credential c on c.user_id = u.id
        where ${after}::uuid is null or u.id > ${after}::uuid
        order by u.id limit ${BATCH}`,
    );
    if (rows.length > 0) yield rows.map((row) => toRecord(row, withPasswordHashes));
    if (rows.length < BATCH) return;
    after = rows.at(-1)?.id ?? null;
  }
}

const toRecord = (row: Row, withPasswordHashes: boolean): UserRecord => ({
  id: row.id,
  username: row.username,
  email: row.email,
  emailConfirmed: row.email_confirmed,
  displayName: row.display_name,
  roles: row.roles,
  deactivatedBy: row.deactivated_by,
  createdAt: new Date(row.created_at).toISOString(),
  ...(withPasswordHashes && row.hash !== null && { passwordHash: row.hash, passwordPepper: row.pepper_id }),
});
