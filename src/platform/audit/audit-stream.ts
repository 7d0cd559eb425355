import { setTimeout as delay } from 'node:timers/promises';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { sql, statement } from '../database/index.ts';
import { newId } from '../id.ts';
import type { AuditReceiver, StreamedEvent } from './audit-receiver.ts';

/** Maximum number of events that are read, held in memory and sent together. */
const BATCH = 200;
/** Milliseconds between two polls of the table. */
const POLL = 1_000;
/** Seconds for which one process ships alone. Longer than the renewal interval plus the time of a batch. */
const LEASE = 20;
/** Milliseconds between two renewals of the lease. */
const RENEWAL = 5_000;
/** Milliseconds before a retry: doubled after each failure, up to the longest. */
const FIRST_RETRY = 1_000;
const LONGEST_RETRY = 30_000;
/** Milliseconds between two log lines while events wait. */
const REPORT_INTERVAL = 300_000;
/** Milliseconds between two checks for late events, and the seconds after which an event is late. */
const LATE_CHECK = 60_000;
const LATE = 60;
/** Limit of the count of waiting events. */
const MOST_COUNTED = 10_000;
/** Milliseconds for the last events at a shutdown. */
const STOP_PATIENCE = 3_000;

/** Name of the only stream. */
const NAME = 'audit';
const NIL = '00000000-0000-0000-0000-000000000000';

/** The position of the stream: everything up to this event was shipped. */
interface Place {
  readonly written_by: string;
  readonly event_id: string;
  readonly since: string | null;
  /**
   * Whether a dump moved the database to another server. Then this server has not assigned the transaction
   * number of the position yet, and all events with higher numbers are from the old server.
   */
  readonly moved: boolean;
}

const PLACE = sql`
  written_by::text, event_id, since::text, pg_snapshot_xmax(pg_current_snapshot()) < written_by as moved`;

/** Events of table `e` after a position. The first comparison lets the planner use the partial index. */
const behind = (
  writtenBy: RawBuilder<unknown>,
  eventId: RawBuilder<unknown>,
  since: RawBuilder<unknown>,
) => sql`
  e.written_by >= ${writtenBy} and (e.written_by, e.id) > (${writtenBy}, ${eventId})
  and (${since} is null or e.at > ${since})`;

interface EventRow {
  id: string;
  at: string;
  written_by: string;
  action: string;
  outcome: StreamedEvent['outcome'];
  actor_id: string | null;
  subject_id: string | null;
  ip_address: string | null;
  user_agent: string | null;
  request_id: string | null;
  details: Record<string, unknown> | null;
}

export interface AuditStreamLog {
  info(message: string, facts: Record<string, unknown>): void;
  warn(message: string, facts: Record<string, unknown>): void;
}

/**
 * Ships the audit trail to an external receiver, after each commit and without delaying requests. It reads the table,
 * so a crash loses no event, and an unreachable receiver costs no memory: events wait in their rows.
 *
 * Each event is shipped at least once. Repetitions happen only after a crash or a failure, and receivers recognise them
 * by the id. A lease lets one process ship at a time.
 *
 * Events are read in the order of their transaction numbers, and only below the oldest running transaction, so no event
 * can be committed later behind the reader. The position is stored in the same database as the events, so a restored
 * backup has both from one moment.
 */
export class AuditStream {
  private readonly process = newId();
  private readonly stopping = new AbortController();
  /** Undefined while another process ships. */
  private place: Place | undefined;
  private failures = 0;
  /** In the time of performance.now(). */
  private renewAt = 0;
  private checkedAt = performance.now();
  private reportedAt = Number.NEGATIVE_INFINITY;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly fork: () => EntityManager,
    private readonly receiver: AuditReceiver,
    private readonly log: AuditStreamLog,
  ) {}

  /** Starts the stream. The very first start marks the position: events that commit from then on are shipped. */
  async start(): Promise<void> {
    await statement(
      this.fork(),
      sql`insert into audit_stream (name, written_by, event_id)
          values (${NAME}, pg_snapshot_xmin(pg_current_snapshot()), ${NIL}) on conflict do nothing`,
    );
    this.running = this.run();
  }

  /**
   * Ships the waiting events if the receiver takes them at once. The rest waits for another process or the next start.
   */
  async stop(): Promise<void> {
    this.stopping.abort();
    const last = this.running.then(() => (this.failures === 0 ? this.attempt() : undefined));
    await Promise.race([last, delay(STOP_PATIENCE, undefined, { ref: false })]);
    await this.release().catch(() => {});
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) await delay(await this.attempt(), undefined, { signal }).catch(() => {});
  }

  /**
   * Ships once. Never rejects.
   * @returns milliseconds until the next attempt.
   */
  private async attempt(): Promise<number> {
    try {
      await this.ship();
      if (this.failures > 0) {
        this.log.info('audit events are shipped again', {});
        this.failures = 0;
        this.reportedAt = Number.NEGATIVE_INFINITY;
      }
      if (this.place) await this.checkLateness();
      return POLL;
    } catch (error) {
      this.failures += 1;
      await this.report('audit events could not be shipped: they wait in the database', { err: error });
      // Another process may reach the receiver.
      await this.release().catch(() => {});
      return Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(this.failures - 1, 10));
    }
  }

  /** Ships until no event waits. */
  private async ship(): Promise<void> {
    for (;;) {
      await this.hold();
      if (!this.place) return;
      const rows = await this.next(this.place);
      const last = rows.at(-1);
      if (last) {
        await this.receiver.send(rows.map(toStreamedEvent));
        await this.advance(rows, last);
      } else if (this.place.moved) await this.beginAnew();
      else return;
    }
  }

  /** Takes or renews the lease. Reads the position with it, since another process may have shipped meanwhile. */
  private async hold(): Promise<void> {
    if (this.place && performance.now() < this.renewAt) return;
    this.renewAt = performance.now() + RENEWAL;
    const [place] = await statement(
      this.fork(),
      sql<Place>`
        update audit_stream set leased_by = ${this.process}, leased_until = now() + make_interval(secs => ${LEASE})
        where name = ${NAME} and (leased_by = ${this.process} or leased_until <= now())
        returning ${PLACE}`,
    );
    this.place = place;
  }

  private next({ written_by, event_id, since, moved }: Place): Promise<EventRow[]> {
    return statement(
      this.fork(),
      sql<EventRow>`
        select e.id, to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, e.written_by::text,
               e.action, e.outcome, e.actor_id, e.subject_id, e.ip_address, e.user_agent, e.request_id, e.details
        from audit_event e
        where ${behind(sql`${written_by}::xid8`, sql`${event_id}::uuid`, sql`${since}::timestamptz`)}
              and (e.written_by < pg_snapshot_xmin(pg_current_snapshot()) or ${moved}::boolean)
        order by e.written_by, e.id limit ${BATCH}`,
    );
  }

  /**
   * Stores the new position, unless another process took the lease meanwhile. In that case the other process
   * has shipped the events again.
   */
  private async advance(rows: readonly EventRow[], last: EventRow): Promise<void> {
    const times = rows.map(({ at }) => at);
    const [place] = await statement(
      this.fork(),
      sql<Place>`
        update audit_stream
        set written_by = ${last.written_by}::xid8, event_id = ${last.id},
            last_at = greatest(last_at, (select max(at) from unnest(${times}::timestamptz[]) as at))
        where name = ${NAME} and leased_by = ${this.process}
        returning ${PLACE}`,
    );
    this.place = place;
  }

  /** Begins at the numbers of the new server, which are lower. All events of the old server are shipped. */
  private async beginAnew(): Promise<void> {
    const [place] = await statement(
      this.fork(),
      sql<Place>`
        update audit_stream set written_by = '0', event_id = ${NIL}, since = last_at
        where name = ${NAME} and leased_by = ${this.process}
        returning ${PLACE}`,
    );
    this.place = place;
    this.log.info('the database was moved: the audit stream goes on after it', { since: place?.since });
  }

  private async release(): Promise<void> {
    this.place = undefined;
    await statement(
      this.fork(),
      sql`update audit_stream set leased_until = now() where name = ${NAME} and leased_by = ${this.process}`,
    );
  }

  /**
   * Warns of late events. A long-running transaction, in any database of the server, delays all events that were
   * written since it began.
   */
  private async checkLateness(): Promise<void> {
    if (performance.now() - this.checkedAt < LATE_CHECK) return;
    this.checkedAt = performance.now();
    const { secondsBehind } = await this.backlog();
    if (secondsBehind >= LATE)
      await this.report('audit events are late: a transaction has been open for long', {});
  }

  /** Logs at most one line per interval. */
  private async report(message: string, facts: Record<string, unknown>): Promise<void> {
    if (performance.now() - this.reportedAt < REPORT_INTERVAL) return;
    this.reportedAt = performance.now();
    this.log.warn(message, { ...facts, ...(await this.backlog().catch(() => undefined)) });
  }

  private async backlog(): Promise<{ waiting: number; secondsBehind: number }> {
    const [row] = await statement(
      this.fork(),
      sql<{ waiting: number; secondsBehind: number }>`
        select count(*)::int as waiting, coalesce(extract(epoch from now() - min(at)), 0)::int as "secondsBehind"
        from (select e.at from audit_stream s
              join audit_event e on ${behind(sql`s.written_by`, sql`s.event_id`, sql`s.since`)}
              where s.name = ${NAME} limit ${MOST_COUNTED}) waiting`,
    );
    return row ?? { waiting: 0, secondsBehind: 0 };
  }
}

const toStreamedEvent = (row: EventRow): StreamedEvent => ({
  id: row.id,
  at: row.at,
  action: row.action,
  outcome: row.outcome,
  actorId: row.actor_id,
  subjectId: row.subject_id,
  ipAddress: row.ip_address,
  userAgent: row.user_agent,
  requestId: row.request_id,
  details: row.details,
});
