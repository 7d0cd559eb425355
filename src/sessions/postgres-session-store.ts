import type { EntityManager } from '@mikro-orm/postgresql';
import { type RawBuilder } from 'kysely';
import { preparedStatement, sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import { newId } from '../platform/id.ts';
import type { Endings } from './endings.ts';
import type { RefreshTokenClaims } from './refresh-token.ts';
import type {
  EndedSession,
  NewSession,
  Rotation,
  SessionRecord,
  SessionStore,
  SessionStoreOptions,
  SessionUse,
} from './session-store.ts';
import { mayHaveTokens, type SubjectColumns, subjectColumns, subjectOf } from './subject.ts';

/** Keeps the active sessions in PostgreSQL. Each change is one conditional statement judged by its row count. */
export class PostgresSessionStore implements SessionStore {
  /** Condition for a session whose time is not over. */
  private readonly timely: RawBuilder<boolean>;
  /** Condition for a session that is there. */
  private readonly alive: RawBuilder<boolean>;

  constructor(
    private readonly endings: Endings,
    private readonly options: SessionStoreOptions,
  ) {
    const { idleTtlSeconds } = options;
    const used = sql<boolean>`last_used_at > now() - make_interval(secs => ${idleTtlSeconds ?? 0})`;
    this.timely =
      idleTtlSeconds === undefined ? sql`expires_at > now()` : sql`expires_at > now() and ${used}`;
    this.alive = sql`${this.timely} and not exists (select from ending e where e.session_id = session.id)`;
  }

  /** The parts of a statement share one snapshot: the new session is not among those that may have to go. */
  async create(em: EntityManager, session: NewSession) {
    const { userId, amr, aal, userAgent, ipAddress, ttlSeconds } = session;
    const rows = await statement(
      em,
      sql<SessionRow & { is_new: boolean }>`
        with created as (
          insert into session (id, user_id, amr, aal, user_agent, ip_address, expires_at)
          values (${newId()}, ${userId}, ${[...amr]}, ${aal}, ${userAgent}, ${ipAddress},
                  now() + make_interval(secs => ${ttlSeconds}))
          returning *
        ), displaced as (
          delete from session
          where id in (select id from session where user_id = ${userId} and ${this.alive}
                       order by created_at desc, id desc offset ${this.options.maxPerUser - 1})
          returning *
        )
        select *, true as is_new from created union all select *, false from displaced`,
    );
    const created = rows.find((row) => row.is_new);
    if (!created) throw new Error('the session was not written');
    const displaced = rows.filter((row) => !row.is_new).map(toRecord);
    return { session: toRecord(created), displaced: await this.endings.endSessions(em, displaced) };
  }

  async find(em: EntityManager, userId: string, sessionId: string): Promise<SessionRecord | null> {
    const [found] = await this.records(
      em,
      sql<SessionRow>`select * from session where id = ${sessionId} and user_id = ${userId} and ${this.alive}`,
    );
    return found ?? null;
  }

  list(em: EntityManager, userId: string): Promise<SessionRecord[]> {
    return this.records(
      em,
      sql<SessionRow>`select * from session where user_id = ${userId} and ${this.alive}
          order by last_used_at desc, id desc`,
    );
  }

  async rotate(em: EntityManager, presented: RefreshTokenClaims, use: SessionUse): Promise<Rotation> {
    const { userId, sessionId, generation } = presented;
    // One statement, hence one round trip and one commit for a refresh, and nothing spent that was not answered.
    const [rotated] = await preparedStatement(
      em,
      sql<SessionRow & SubjectColumns>`
        update session s
        set generation = generation + 1, rotated_at = now(), last_used_at = now(),
            user_agent = ${use.userAgent}, ip_address = ${use.ipAddress}
        from users u
        where s.id = ${sessionId} and s.user_id = ${userId} and generation = ${generation} and ${this.timely}
          and u.id = s.user_id and ${mayHaveTokens(sessionId)}
        returning s.id, s.user_id, generation, authenticated_at, amr, aal, user_agent, ip_address, s.created_at,
                  last_used_at, expires_at, ${subjectColumns}`,
    );
    if (rotated) {
      return { kind: 'rotated', session: toRecord(rotated), subject: subjectOf(userId, rotated), lost: 0 };
    }

    const [row] = await statement(
      em,
      sql<SessionRow & SubjectColumns & { within_grace: boolean }>`
        select s.*, ${subjectColumns},
               (rotated_at > now() - make_interval(secs => ${this.options.refreshGraceSeconds})
                or rotated_at = authenticated_at) as within_grace
        from session s join users u on u.id = s.user_id
        where s.id = ${sessionId} and s.user_id = ${userId} and ${this.timely} and ${mayHaveTokens(sessionId)}`,
    );
    if (!row || generation >= row.generation) return { kind: 'unknown' };
    const session = toRecord(row);
    const repeats = generation === row.generation - 1 && row.within_grace;
    return repeats
      ? { kind: 'repeated', session, subject: subjectOf(userId, row) }
      : { kind: 'reused', session };
  }

  async stepUp(
    em: EntityManager,
    { userId, sessionId }: { userId: string; sessionId: string },
    { amr, aal }: { amr: readonly string[]; aal: number },
    { keepTokens = false }: { keepTokens?: boolean } = {},
  ): Promise<SessionRecord | null> {
    const [raised] = await this.records(
      em,
      sql<SessionRow>`
        update session
        set ${keepTokens ? sql`` : sql`generation = generation + 1, rotated_at = now(),`}
            last_used_at = now(), authenticated_at = now(),
            amr = array(select distinct unnest(amr || ${[...amr]}::text[]) order by 1), aal = greatest(aal, ${aal}::smallint)
        where id = ${sessionId} and user_id = ${userId} and ${this.alive}
        returning *`,
    );
    return raised ?? null;
  }

  async remove(em: EntityManager, userId: string, sessionId: string): Promise<EndedSession | null> {
    const ended = await this.end(em, sql`id = ${sessionId} and user_id = ${userId} and ${this.timely}`);
    return ended[0] ?? null;
  }

  removeAll(
    em: EntityManager,
    userId: string,
    { except }: { except?: string } = {},
  ): Promise<EndedSession[]> {
    return this.end(
      em,
      sql`user_id = ${userId} and ${this.timely} and id is distinct from ${except ?? null}::uuid`,
    );
  }

  /** A row goes with its ending, in one transaction. */
  private async end(em: EntityManager, condition: RawBuilder<unknown>): Promise<EndedSession[]> {
    const removed = await this.records(
      em,
      sql<SessionRow>`delete from session where ${condition} returning *`,
    );
    return this.endings.endSessions(em, removed);
  }

  private async records(em: EntityManager, query: RawBuilder<SessionRow>): Promise<SessionRecord[]> {
    return (await statement(em, query)).map(toRecord);
  }
}

interface SessionRow {
  id: string;
  user_id: string;
  generation: number;
  authenticated_at: string;
  amr: string[];
  aal: number;
  user_agent: string | null;
  ip_address: string | null;
  created_at: string;
  last_used_at: string;
  expires_at: string;
}

function toRecord(row: SessionRow): SessionRecord {
  return {
    id: row.id,
    userId: row.user_id,
    generation: row.generation,
    authenticatedAt: new Date(row.authenticated_at),
    amr: row.amr,
    aal: row.aal,
    userAgent: row.user_agent,
    ipAddress: row.ip_address,
    createdAt: new Date(row.created_at),
    lastUsedAt: new Date(row.last_used_at),
    expiresAt: new Date(row.expires_at),
  };
}

/** Sessions whose absolute life is over; one that is only idle goes with it. */
export const expiredSessions = expiredRows('expired sessions', 'session', sql`expires_at < now()`);
