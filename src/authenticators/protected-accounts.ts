import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';

/** @returns the accounts that have a second factor, out of the given ones. */
export async function protectedAmong(
  em: EntityManager,
  userIds: readonly string[],
): Promise<ReadonlyMap<string, true>> {
  const rows = await statement(
    em,
    sql<{ id: string }>`
      select id from users where id = any(${[...userIds]}::uuid[]) and second_factor_since is not null`,
  );
  return new Map(rows.map(({ id }) => [id, true]));
}
