import { fail, ok, warn } from '../../doctor/check.ts';
import { ADVICE, CONNECTION, connected, type DatabaseCheck, rowOf } from './on-connection.ts';

/** Milliseconds for the horizon to pass a transaction, and between two looks. */
const HORIZON_PATIENCE = 2_500;
const HORIZON_PAUSE = 100;

interface Holder {
  who: string;
  seconds: number | null;
}

/**
 * The transaction with the number of the horizon. PostgreSQL shows the age of other logins' transactions only
 * to members of pg_read_all_stats.
 */
const HOLDER = `
  select 'pid ' || pid || ' of the login ' || coalesce(usename, '?') as who,
    extract(epoch from now() - xact_start)::int as seconds
  from pg_stat_activity where backend_xid = pg_snapshot_xmin(pg_current_snapshot())::xid
  union all
  select 'the prepared transaction ' || gid || ' of the login ' || owner, extract(epoch from now() - prepared)::int
  from pg_prepared_xacts where transaction = pg_snapshot_xmin(pg_current_snapshot())::xid`;

/** The reading of revocations relies on snapshots that see each committed transaction, and advance past it. */
export const horizon: DatabaseCheck = {
  name: 'database.horizon',
  after: CONNECTION,
  run: ({ servingUrl }) =>
    connected(servingUrl, async (client) => {
      const { id } = await rowOf<{ id: string }>(client, 'select pg_current_xact_id()::text as id');
      const look = () =>
        rowOf<{ visible: boolean; passed: boolean }>(
          client,
          `select pg_visible_in_snapshot($1::xid8, pg_current_snapshot()) as visible,
             pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8 as passed`,
          [id],
        );
      const until = performance.now() + HORIZON_PATIENCE;
      let seen = await look();
      while (!seen.passed && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, HORIZON_PAUSE));
        seen = await look();
      }
      if (!seen.visible)
        return fail('A snapshot does not see a transaction that was committed before it.', ADVICE);
      if (seen.passed) return ok('The transaction horizon advances after a commit.');
      const { rows } = await client.query<Holder>(HOLDER);
      const [holder] = rows;
      if (!holder)
        return fail('The transaction horizon does not advance, and no open transaction holds it.', ADVICE);
      return warn(
        `The transaction horizon stands still: ${holder.who} holds it${ageOf(holder.seconds)}.`,
        'End that transaction: each gateway reads every revocation since its start again and again, and vacuum cannot clean up.',
      );
    }),
};

const ageOf = (seconds: number | null): string => {
  if (seconds === null) return '';
  return seconds < 120 ? ` for ${seconds} s` : ` for ${Math.floor(seconds / 60)} minutes`;
};

/** Seconds after which a transaction counts as old: far longer than any of the gateway, which end within 5 s. */
const OLD = 300;
/**
 * Where PostgreSQL hides the start time of a session, its snapshot counts as old after this many
 * transactions.
 */
const FAR_BEHIND = 1_000_000;

interface OldTransaction extends Holder {
  id: string;
}

/** Finds transactions that have been open for long, which keep vacuum from cleaning up. */
export function oldTransactions({ olderThanSeconds = OLD } = {}): DatabaseCheck {
  const query = `
    select pid::text as id, 'pid ' || pid || ' of the login ' || coalesce(usename, '?') as who,
      extract(epoch from now() - xact_start)::int as seconds
    from pg_stat_activity
    where pid <> pg_backend_pid() and usesysid is not null
      and (xact_start < now() - make_interval(secs => $1)
           or (xact_start is null and age(backend_xmin) > ${FAR_BEHIND}))
    union all
    select gid, 'the prepared transaction ' || gid || ' of the login ' || owner, extract(epoch from now() - prepared)::int
    from pg_prepared_xacts where prepared < now() - make_interval(secs => $1)`;
  return {
    name: 'database.old-transactions',
    after: CONNECTION,
    async run({ servingUrl, ownerUrl }) {
      const ask = (url: string | undefined) =>
        connected(
          url,
          async (client) => (await client.query<OldTransaction>(query, [olderThanSeconds])).rows,
        );
      // Each login sees the age of its own transactions, such as a dump by the owner.
      const ofOwner = ownerUrl === servingUrl ? [] : ask(ownerUrl).catch(() => []);
      const rows = (await Promise.all([ask(servingUrl), ofOwner])).flat();
      const found = new Map<string, OldTransaction>();
      for (const row of rows) if (!found.get(row.id)?.seconds) found.set(row.id, row);
      return found.size === 0
        ? ok('No old transaction is open on the server.')
        : [...found.values()].map(({ who, seconds }) =>
            warn(
              `A transaction is open${ageOf(seconds)}: ${who}.`,
              'End it (commit, rollback prepared, or pg_terminate_backend): until then vacuum cannot clean up.',
            ),
          );
    },
  };
}

interface Slot {
  name: string;
  lost: boolean;
}

export const replicationSlots: DatabaseCheck = {
  name: 'database.replication-slots',
  after: CONNECTION,
  run: ({ servingUrl }) =>
    connected(servingUrl, async (client) => {
      const { rows } = await client.query<Slot>(
        `select slot_name as name, coalesce(wal_status in ('unreserved', 'lost'), false) as lost
         from pg_replication_slots where not active order by 1`,
      );
      if (rows.length === 0) return ok('No replication slot is without its reader.');
      return rows.map(({ name, lost }) =>
        warn(
          lost
            ? `The replication slot ${name} has lost its write-ahead log, so its standby can no longer follow.`
            : `The replication slot ${name} has no reader, so the server keeps its write-ahead log until the disk is full.`,
          `Bring its reader back, or run: select pg_drop_replication_slot('${name}')`,
        ),
      );
    }),
};
