import type { RawBuilder } from 'kysely';
import { sql, statement } from '../database/index.ts';
import type { Chore } from './housekeeping.ts';

/**
 * Makes the chore of deleting the expired rows of a table.
 *
 *     export const expiredTokens = expiredRows('expired one-time tokens', 'one_time_token', sql`expires_at < now()`);
 *
 * Rows are selected by their physical place (ctid), so the table needs no key. The condition is repeated: when a row
 * was prolonged while the statement waited for its lock, the outer condition excludes it.
 */
export function expiredRows(name: string, table: string, isOver: RawBuilder<unknown>): Chore {
  return {
    name,
    async sweep(em, limit) {
      const rows = await statement(
        em,
        sql`delete from ${sql.table(table)}
            where ctid = any(array(select ctid from ${sql.table(table)} where ${isOver} limit ${limit})) and (${isOver})
            returning 1`,
      );
      return rows.length;
    },
  };
}
