import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import type { RevocationKind } from './revocation.entity.ts';

/** Rows per statement: about 20 ms of work, and a few MB. */
const PAGE = 20_000;

/** A revocation that still matters. */
export interface RevocationRow {
  kind: RevocationKind;
  session_id: string | null;
  user_id: string | null;
  epoch: number | null;
  /** Milliseconds for which the revocation still matters. */
  matters_for: number;
}

/** The point up to which revocations were read. */
export interface ReadPoint {
  /** Snapshot of the database, as `pg_snapshot` writes it: `xmin:xmax:xip,...`. */
  readonly snapshot: string;
  /** Identity of the server that answered: its start time, in seconds since 1970. */
  readonly server: string;
}

/** The result of one read. */
export interface Reading {
  readonly point: ReadPoint;
  /** Whether everything that matters was read, rather than only the new rows. */
  readonly complete: boolean;
  /** Whether another server answered than before. It may have lost the last transactions. */
  readonly replaced: boolean;
}

const point = sql`
  pg_current_snapshot()::text as snapshot,
  extract(epoch from pg_postmaster_start_time())::text as server`;
/** Columns of a RevocationRow. */
export const REVOCATION_COLUMNS = sql`
  kind, session_id, user_id, epoch,
  coalesce(extract(epoch from matters_until - now()) * 1000, 0)::float8 as matters_for`;

/**
 * Reads the revocations that were committed since an earlier read.
 *
 * A row is new when the earlier snapshot does not see its transaction: it had not begun then (at or above xmax), or it
 * was still running (in xip). So a late commit is not missed. A transaction that stays open for hours on the same
 * server does not make each read return all rows since its start.
 */
export class RevocationReader {
  /** @param fork gives an EntityManager for reads in the background */
  constructor(private readonly fork: () => EntityManager) {}

  /** @param since null to read everything that matters */
  async read(since: ReadPoint | null, learn: (row: RevocationRow) => void): Promise<Reading> {
    if (since) {
      const { reached, rows } = await this.news(since);
      if (!isReplaced(since, reached)) {
        for (const row of rows) learn(row);
        return { point: reached, complete: false, replaced: false };
      }
    }
    return { point: await this.everything(learn), complete: true, replaced: since !== null };
  }

  private async news(since: ReadPoint): Promise<{ reached: ReadPoint; rows: RevocationRow[] }> {
    const { xmax, xip } = parseSnapshot(since.snapshot);
    const rows = await statement(
      this.fork(),
      sql<ReadPoint & (RevocationRow | Record<keyof RevocationRow, null>)>`
        select ${point}, ${REVOCATION_COLUMNS}
        from (select) as always
        left join ending e on (e.written_by >= ${xmax}::xid8 or e.written_by = any(${xip}::xid8[]))
                              and e.matters_until > now()`,
    );
    const [first] = rows;
    if (!first) throw new Error('the read of revocations returned no snapshot');
    const { snapshot, server } = first;
    return { reached: { snapshot, server }, rows: rows.filter((row) => row.kind !== null) };
  }

  /** Reads in pages: a million rows at once would exceed the statement timeout, and take hundreds of MB. */
  private async everything(learn: (row: RevocationRow) => void): Promise<ReadPoint> {
    const em = this.fork();
    // Before the first page: rows that commit meanwhile are new to the next read.
    const [reached] = await statement(em, sql<ReadPoint>`select ${point}`);
    if (!reached) throw new Error('the read of revocations returned no snapshot');
    let last = { id: '0', matters_until: '-infinity' };
    for (;;) {
      const rows = await statement(
        em,
        sql<RevocationRow & typeof last>`
          select ${REVOCATION_COLUMNS}, e.id, e.matters_until::text as matters_until
          from ending e
          where e.matters_until > now()
            and (e.matters_until, e.id) > (${last.matters_until}::timestamptz, ${last.id}::bigint)
          order by e.matters_until, e.id limit ${PAGE}`,
      );
      for (const row of rows) learn(row);
      const end = rows.at(-1);
      if (!end || rows.length < PAGE) return reached;
      last = { id: end.id, matters_until: end.matters_until };
    }
  }
}

/**
 * Whether another server took over (a failover, a restore). It may have lost the last transactions and reused their
 * numbers. A restored server may have the same start time, but its transaction numbers go backwards.
 */
function isReplaced(before: ReadPoint, now: ReadPoint): boolean {
  const [was, is] = [parseSnapshot(before.snapshot), parseSnapshot(now.snapshot)];
  return (
    before.server !== now.server || BigInt(is.xmin) < BigInt(was.xmin) || BigInt(is.xmax) < BigInt(was.xmax)
  );
}

function parseSnapshot(snapshot: string): { xmin: string; xmax: string; xip: string[] } {
  const [xmin = '0', xmax = '0', xip = ''] = snapshot.split(':');
  return { xmin, xmax, xip: xip === '' ? [] : xip.split(',') };
}
