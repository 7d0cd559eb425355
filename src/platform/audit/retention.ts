import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../database/index.ts';
import type { Chore } from '../housekeeping/housekeeping.ts';

/** Sets how long audit events are kept. Run it as the login that owns the tables. */
export async function setAuditRetention(em: EntityManager, days: number): Promise<void> {
  await statement(
    em,
    sql`insert into retention (table_name, days) values ('audit_event', ${days})
        on conflict (table_name) do update set days = excluded.days`,
  );
}

/** Removes audit events past their retention. A function of the owner deletes only those. */
export const oldAuditEvents: Chore = {
  name: 'old audit events',
  async sweep(em, limit) {
    const [row] = await statement(
      em,
      sql<{ removed: number }>`select delete_old_audit_events(${limit}) as removed`,
    );
    return row?.removed ?? 0;
  },
};
