import type { EntityManager } from '@mikro-orm/postgresql';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { COMMAND_LINE } from '../platform/request/index.ts';

/** Rows per statement. */
const BATCH = 5_000;
/**
 * Days: the longest session life that REFRESH_TOKEN_TTL_SECONDS allows. The memory does not know the life of a session.
 */
const LONGEST_LIFE_DAYS = 365;

/** The revocations in the memory of a process that still matter. */
export interface KnownRevocations {
  readonly sessions: readonly { readonly id: string; readonly mattersForSeconds: number }[];
  /** For each user, the first epoch whose tokens are valid. */
  readonly epochs: readonly {
    readonly userId: string;
    readonly epoch: number;
    readonly mattersForSeconds: number;
  }[];
}

/**
 * Writes revocations again that the database lost. A standby that is promoted without the last transactions
 * (asynchronous replication) revives ended sessions and void tokens. The processes that served meanwhile still know the
 * revocations. So a sign-out is lost only when every process that knew of it is lost too.
 */
export class LostRevocations {
  constructor(
    private readonly fork: () => EntityManager,
    private readonly audit: AuditLog,
    private readonly log: (message: string, facts: Record<string, unknown>) => void,
  ) {}

  /**
   * Runs in every process. The first insert of each revocation wins, and revocations that were not lost stay unchanged.
   */
  async writeAgain({ sessions, epochs }: KnownRevocations): Promise<void> {
    const restored = { sessions: 0, accounts: 0 };
    for (const batch of batches(sessions)) restored.sessions += await this.endSessions(batch);
    for (const batch of batches(epochs)) restored.accounts += await this.raiseEpochs(batch);
    if (restored.sessions + restored.accounts === 0) return;
    this.log(
      'the database lost transactions when another server took over: revocations were written again',
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
