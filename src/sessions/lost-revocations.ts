import type { EntityManager } from '@mikro-orm/postgresql';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { COMMAND_LINE } from '../platform/request/index.ts';

/** Rows of one statement. */
const BATCH = 5_000;
/** Days: the longest life that REFRESH_TOKEN_TTL_SECONDS may give to a session, which the memory does not tell. */
const LONGEST_LIFE_DAYS = 365;

/** What a process remembers of revocations that still matter. */
export interface KnownRevocations {
  readonly sessions: readonly { readonly id: string; readonly mattersForSeconds: number }[];
  /** The first epoch of each user whose tokens are good. */
  readonly epochs: readonly {
    readonly userId: string;
    readonly epoch: number;
    readonly mattersForSeconds: number;
  }[];
}

/**
 * Writes again what a database lost. A standby that is promoted without the last transactions (asynchronous replication)
 * revives sessions that had ended and tokens that were void. The processes that served meanwhile still know them, so
 * a sign-out is lost only together with every process that knew of it.
 */
export class LostRevocations {
  constructor(
    private readonly fork: () => EntityManager,
    private readonly audit: AuditLog,
    private readonly log: (message: string, facts: Record<string, unknown>) => void,
  ) {}

  /** Every process does this; of several, one writes each ending, and what was not lost stays as it is. */
  async writeAgain({ sessions, epochs }: KnownRevocations): Promise<void> {
    const restored = { sessions: 0, accounts: 0 };
    for (const batch of batches(sessions)) restored.sessions += await this.endSessions(batch);
    for (const batch of batches(epochs)) restored.accounts += await this.raiseEpochs(batch);
    if (restored.sessions + restored.accounts === 0) return;
    this.log(
      'the database lost transactions when another server took over: what had ended was written again',
      restored,
    );
    await this.audit.record(this.fork(), COMMAND_LINE, {
      action: 'database.lost_transactions',
      actorId: null,
      subjectId: null,
      outcome: AuditOutcome.FAILURE,
      details: restored,
    });
  }

  private async endSessions(sessions: KnownRevocations['sessions']): Promise<number> {
    const rows = await statement(
      this.fork(),
      sql`
        insert into ending (kind, session_id, matters_until, kept_until)
        select 'SESSION', known.id, now() + make_interval(secs => known.seconds),
               now() + make_interval(days => ${LONGEST_LIFE_DAYS})
        from unnest(${sessions.map(({ id }) => id)}::uuid[],
                    ${sessions.map(({ mattersForSeconds }) => mattersForSeconds)}::float8[]) as known (id, seconds)
        order by known.id
        on conflict (session_id) do nothing
        returning id`,
    );
    return rows.length;
  }

  private async raiseEpochs(epochs: KnownRevocations['epochs']): Promise<number> {
    const rows = await statement(
      this.fork(),
      sql`
        with known as (
          select * from unnest(${epochs.map(({ userId }) => userId)}::uuid[],
                               ${epochs.map(({ epoch }) => epoch)}::int[],
                               ${epochs.map(({ mattersForSeconds }) => mattersForSeconds)}::float8[])
            as known (user_id, epoch, seconds)
        ), raised as (
          update users u set epoch = known.epoch from known
          where u.id = known.user_id and u.epoch < known.epoch
          returning u.id, u.epoch, known.seconds
        )
        insert into ending (kind, user_id, epoch, matters_until, kept_until)
        select 'EPOCH', id, epoch, now() + make_interval(secs => seconds), now() + make_interval(secs => seconds) from raised
        returning id`,
    );
    return rows.length;
  }
}

function* batches<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += BATCH) yield items.slice(start, start + BATCH);
}
