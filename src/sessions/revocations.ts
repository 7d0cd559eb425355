import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import type { EventFeed } from '../platform/events/index.ts';
import type { Chore } from '../platform/housekeeping/housekeeping.ts';
import { CLOCK_TOLERANCE } from './access-token.ts';
import { RevocationKind } from './revocation.entity.ts';
import type { RereadKind, RevocationCache } from './revocation-cache.ts';
import { REVOCATION_COLUMNS, type RevocationRow } from './revocation-reader.ts';
import type { SessionRecord, SessionReference } from './session-store.ts';

/**
 * Seconds by which a token may be accepted beyond its life. Twice the tolerance. A token may be dated ahead by one
 * tolerance. If the configured life was shortened since, its check adds the second tolerance.
 */
export const CLOCK_SLACK = 2 * CLOCK_TOLERANCE;
/**
 * Days beyond a session's expiry for which its revocation is kept, so that an old copy of a store cannot revive the
 * session.
 */
const KEPT_DAYS_BEYOND_EXPIRY = 1;

/** The facts of a session that its revocation needs. */
export type Endable = Pick<SessionRecord, 'id' | 'userId' | 'expiresAt'>;

/** Milliseconds: the longest life that REFRESH_TOKEN_TTL_SECONDS may give to a session. */
const LONGEST_LIFE = 31_536_000_000;

/**
 * Describes a session that its store lost, known from a genuine token. Its revocation is kept as long as any session
 * may live.
 */
export const endableByToken = ({ userId, sessionId }: SessionReference): Endable => ({
  id: sessionId,
  userId,
  expiresAt: new Date(Date.now() + LONGEST_LIFE),
});

/**
 * A transaction whose commit announces its revocations to every process. Only `Revocations.transactional` makes one. So
 * a change that ends sessions or raises an epoch does not compile in any other transaction.
 */
export type AnnouncedTransaction = EntityManager & { readonly [ANNOUNCED]: true };

/** Exists only for the compiler. */
declare const ANNOUNCED: unique symbol;

/**
 * Writes revocations in the transaction of the change. The rows are the truth; the announcement only wakes the readers
 * (revocation-cache.ts) of every process.
 */
export class Revocations {
  /** Revocations of transactions that have not committed yet. */
  private readonly written = new WeakMap<EntityManager, RevocationRow[]>();

  constructor(
    private readonly feed: EventFeed,
    private readonly revocationCache: RevocationCache,
    private readonly options: { readonly accessTokenTtlSeconds: number },
  ) {}

  /**
   * Runs a change in a transaction. The change makes a session, or may end sessions. After a revocation, this waits
   * until this process knows it, so the next request here is refused at once. Other processes follow at their wake-up.
   * Most sign-ins revoke nothing.
   */
  async transactional<T>(em: EntityManager, work: (tx: AnnouncedTransaction) => Promise<T>): Promise<T> {
    let written: RevocationRow[] | undefined;
    const result = await em.transactional(async (tx) => {
      const outcome = await work(tx as AnnouncedTransaction);
      written = this.written.get(tx);
      return outcome;
    });
    if (written) {
      // Without reading the rows back: the server may have failed by now, and its successor may have lost the rows.
      this.revocationCache.learn(written);
      await this.revocationCache.catchUp();
    }
    return result;
  }

  /**
   * Ends the sessions, and voids every access token that names one of them. Only for session stores: other callers
   * remove a session from its store, which calls this.
   * @returns the sessions that this call ended; the others had ended before.
   */
  async endSessions<Session extends Endable>(
    tx: AnnouncedTransaction,
    sessions: readonly Session[],
  ): Promise<Session[]> {
    if (sessions.length === 0) return [];
    const ids = sessions.map(({ id }) => id);
    const users = sessions.map(({ userId }) => userId);
    const expiries = sessions.map(({ expiresAt }) => expiresAt.toISOString());
    // Always in the same order, or two transactions that end the same sessions could deadlock.
    const ended = await statement(
      tx,
      sql<RevocationRow>`
        insert into ending (kind, session_id, user_id, matters_until, kept_until)
        select 'SESSION', ended.session_id, ended.user_id, ${this.mattersUntil()},
               ended.expires_at + make_interval(days => ${KEPT_DAYS_BEYOND_EXPIRY})
        from unnest(${ids}::uuid[], ${users}::uuid[], ${expiries}::timestamptz[])
          as ended (session_id, user_id, expires_at)
        order by ended.session_id
        on conflict (session_id) do nothing
        returning ${REVOCATION_COLUMNS}`,
    );
    await this.announce(tx, ended);
    const endedIds = new Set(ended.map(({ session_id }) => session_id));
    return sessions.filter(({ id }) => endedIds.has(id));
  }

  /**
   * For a store outside the database, which may still hold ended sessions.
   * @returns the sessions without a revocation.
   */
  async withoutEnded<Session extends Pick<SessionRecord, 'id'>>(
    em: EntityManager,
    sessions: readonly Session[],
  ): Promise<Session[]> {
    if (sessions.length === 0) return [];
    const ids = sessions.map(({ id }) => id);
    const ended = await statement(
      em,
      sql<{ session_id: string }>`select session_id from ending where session_id = any(${ids}::uuid[])`,
    );
    const endedIds = new Set(ended.map(({ session_id }) => session_id));
    return sessions.filter(({ id }) => !endedIds.has(id));
  }

  /** Voids every access token that the user holds now. The sessions go on, and the next refresh brings a new token. */
  raiseEpoch(tx: AnnouncedTransaction, userId: string): Promise<void> {
    return this.raiseEpochs(tx, [userId]);
  }

  /** Raises the epoch of many users, at most a few thousand, in one statement. */
  async raiseEpochs(tx: AnnouncedTransaction, userIds: readonly string[]): Promise<void> {
    if (userIds.length === 0) return;
    const raised = await statement(
      tx,
      sql<RevocationRow>`
        with raised as (update users set epoch = epoch + 1
                        where id = any(${[...userIds]}::uuid[]) returning id, epoch)
        insert into ending (kind, user_id, epoch, matters_until, kept_until)
        select 'EPOCH', id, epoch, ${this.mattersUntil()}, ${this.mattersUntil()} from raised
        returning ${REVOCATION_COLUMNS}`,
    );
    await this.announce(tx, raised);
  }

  /** Announces that permissions of a role changed: every process rereads its table. */
  rolesChanged(tx: AnnouncedTransaction): Promise<void> {
    return this.changed(tx, RevocationKind.ROLES);
  }

  /** Announces that signing keys changed: every process rereads them. */
  keysChanged(tx: AnnouncedTransaction): Promise<void> {
    return this.changed(tx, RevocationKind.KEYS);
  }

  private async changed(tx: AnnouncedTransaction, kind: RereadKind): Promise<void> {
    await statement(
      tx,
      sql`insert into ending (kind, matters_until, kept_until)
          values (${kind}, ${this.mattersUntil()}, ${this.mattersUntil()})`,
    );
    await this.announce(tx);
  }

  private announce(tx: AnnouncedTransaction, rows: readonly RevocationRow[] = []): Promise<void> {
    this.written.set(tx, [...(this.written.get(tx) ?? []), ...rows]);
    return this.feed.announce(tx, 'endings');
  }

  /** The latest expiry of an access token that a revocation written now could affect. */
  private mattersUntil() {
    return sql`now() + make_interval(secs => ${this.options.accessTokenTtlSeconds + CLOCK_SLACK})`;
  }
}

/**
 * Removes revocations that are older than any possible copy of a session store. A function of the owner of the database
 * deletes only those.
 */
export const oldRevocations: Chore = {
  name: 'old revocations',
  async sweep(em, limit) {
    const [row] = await statement(
      em,
      sql<{ removed: number }>`select delete_old_endings(${limit}) as removed`,
    );
    return row?.removed ?? 0;
  },
};
