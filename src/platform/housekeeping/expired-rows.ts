import type { RawBuilder } from 'kysely';
import { sql, statement } from '../database/index.ts';
import type { Chore } from './housekeeping.ts';

/**
 * The chore of deleting the rows of a table whose time is over.
 *
 *     export const expiredTokens = expiredRows('expired one-time tokens', 'one_time_token', sql`expires_at < now()`);
 *
 * Rows are taken by their place (ctid), so it needs no key. The condition stands twice: a row that was put off while the
 * statement waited for it is judged again by the outer one, whether or not PostgreSQL looks at its place again.
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
