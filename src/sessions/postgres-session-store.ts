import type { EntityManager } from '@mikro-orm/postgresql';
import { type RawBuilder } from 'kysely';
import { preparedStatement, sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import { newId } from '../platform/id.ts';
import { notesOfEarlierRelease, type RefreshNotes } from './refresh-contract.ts';
import type { RefreshTokenClaims } from './refresh-token.ts';
import { type AnnouncedTransaction, endableByToken, type Revocations } from './revocations.ts';
import type {
  EndedSession,
  HeldSession,
  NewSession,
  Rotation,
  SessionChange,
  SessionRecord,
  SessionReference,
  SessionStore,
  SessionStoreOptions,
  SessionUse,
  Sighting,
} from './session-store.ts';
import { mayHaveTokens, type SubjectColumns, subjectColumns, subjectOf } from './subject.ts';

/** Keeps the active sessions in PostgreSQL. Each change is one conditional statement judged by its row count. */
export class PostgresSessionStore implements SessionStore {
  /** Condition for a session that has neither expired nor become idle. */
  private readonly timely: RawBuilder<boolean>;
  /** Condition for a session that is active: timely and not revoked. */
  private readonly alive: RawBuilder<boolean>;

  constructor(
    private readonly revocations: Revocations,
    private readonly options: SessionStoreOptions,
  ) {
    const { idleTtlSeconds } = options;
    const used = sql<boolean>`last_used_at > now() - make_interval(secs => ${idleTtlSeconds ?? 0})`;
    this.timely =
      idleTtlSeconds === undefined ? sql`expires_at > now()` : sql`expires_at > now() and ${used}`;
    this.alive = sql`${this.timely} and not exists (select from ending e where e.session_id = session.id)`;
  }

  /** All parts of the statement share one snapshot, so the new session is not among those that may be displaced. */
  async create(tx: AnnouncedTransaction, session: NewSession) {
    const { userId, amr, aal, userAgent, ipAddress, jkt = null, ttlSeconds } = session;
    const rows = await statement(
      tx,
      sql<SessionRow & { is_new: boolean }>`
        with created as (
          insert into session (id, user_id, amr, aal, user_agent, ip_address, dpop_jkt, expires_at)
          values (${newId()}, ${userId}, ${[...amr]}, ${aal}, ${userAgent}, ${ipAddress}, ${jkt},
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
    return { session: toRecord(created), displaced: await this.revocations.endSessions(tx, displaced) };
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
    // One statement makes a refresh one round trip and one commit. A token is never consumed without an answer.
    const [rotated] = await preparedStatement(
      em,
      sql<SessionRow & SubjectColumns>`
        update session s
        set generation = generation + 1, rotated_at = now(), last_used_at = now(),
            user_agent = ${use.userAgent}, ip_address = ${use.ipAddress}
        from users u
        where s.id = ${sessionId} and s.user_id = ${userId} and generation = ${generation} and ${this.timely}
          and u.id = s.user_id and ${mayHaveTokens(sessionId)}
        returning s.id, s.user_id, generation, authenticated_at, amr, aal, user_agent, ip_address, dpop_jkt, s.created_at,
                  last_used_at, expires_at, ${subjectColumns}`,
    );
    if (rotated) return { kind: 'rotated', session: toRecord(rotated), subject: subjectOf(userId, rotated) };
    const found = await this.look(em, presented);
    return found ? { kind: 'other', found } : { kind: 'unknown' };
  }

  async look(em: EntityManager, { userId, sessionId }: SessionReference): Promise<HeldSession | null> {
    const [row] = await statement(
      em,
      sql<SessionRow & HeldColumns & SubjectColumns>`
        select s.*, ${subjectColumns}, extract(epoch from now())::float8 * 1000 as now,
               extract(epoch from rotated_at)::float8 * 1000 as rotated,
               rotated_at = authenticated_at and generation > 0 as by_step_up
        from session s join users u on u.id = s.user_id
        where s.id = ${sessionId} and s.user_id = ${userId} and ${this.timely} and ${mayHaveTokens(sessionId)}`,
    );
    if (!row) return null;
    const { generation, refresh_notes: stored, seen_generation: seen } = row;
    return {
      session: toRecord(row),
      subject: subjectOf(userId, row),
      held: {
        generation,
        rotatedAt: row.rotated,
        now: row.now,
        place: { ipAddress: row.ip_address, userAgent: row.user_agent },
        notes: stored ?? notesOfEarlierRelease(generation, row.by_step_up),
        seen: seen !== null && seen >= generation,
      },
      version: { stored, seen } satisfies Version,
    };
  }

  async write(
    em: EntityManager,
    { session, held, version }: HeldSession,
    { notes, advance, proof }: SessionChange,
  ): Promise<SessionRecord | null> {
    const { stored, seen } = version as Version;
    const advanced =
      advance &&
      sql`, generation = ${advance.to}, rotated_at = now(), last_used_at = now(),
          user_agent = ${advance.use.userAgent}, ip_address = ${advance.use.ipAddress}`;
    const proved = proof && sql`, authenticated_at = now(), aal = ${proof.aal}, amr = ${[...proof.amr]}`;
    const [written] = await this.records(
      em,
      sql<SessionRow>`
        update session set refresh_notes = ${JSON.stringify(notes)}::jsonb${advanced ?? sql``}${proved ?? sql``}
        where id = ${session.id} and user_id = ${session.userId} and generation = ${held.generation}
          and refresh_notes is not distinct from ${stored && JSON.stringify(stored)}::jsonb
          and seen_generation is not distinct from ${seen}::integer and ${this.alive}
        returning *`,
    );
    return written ?? null;
  }

  /** Skips locked rows: two processes that wait for rows of each other would deadlock. */
  async markSeen(em: EntityManager, sightings: readonly Sighting[]): Promise<Sighting[]> {
    if (sightings.length === 0) return [];
    const rows = await statement(
      em,
      sql<{ id: string }>`
        update session s set seen_generation = s.generation
        from (select held.id from session held
              join unnest(${sightings.map(({ sessionId }) => sessionId)}::uuid[],
                          ${sightings.map(({ generation }) => generation)}::integer[]) as sighting (id, generation)
                on held.id = sighting.id and held.generation = sighting.generation
              where held.seen_generation is distinct from held.generation
              for update of held skip locked) as current
        where s.id = current.id
        returning s.id`,
    );
    const marked = new Set(rows.map(({ id }) => id));
    return sightings.filter(({ sessionId }) => marked.has(sessionId));
  }

  async remove(
    tx: AnnouncedTransaction,
    userId: string,
    sessionId: string,
    { known = false }: { known?: boolean } = {},
  ): Promise<EndedSession | null> {
    const [ended] = await this.end(tx, sql`id = ${sessionId} and user_id = ${userId} and ${this.timely}`);
    if (ended) return ended;
    // A promoted standby may have lost the session while its access token is still valid.
    const isLost = known && !(await this.has(tx, sessionId));
    const [lost] = isLost
      ? await this.revocations.endSessions(tx, [endableByToken({ userId, sessionId })])
      : [];
    return lost ?? null;
  }

  private async has(em: EntityManager, sessionId: string): Promise<boolean> {
    return (await statement(em, sql`select from session where id = ${sessionId}`)).length > 0;
  }

  removeAll(
    tx: AnnouncedTransaction,
    userId: string,
    { except }: { except?: string } = {},
  ): Promise<EndedSession[]> {
    return this.end(
      tx,
      sql`user_id = ${userId} and ${this.timely} and id is distinct from ${except ?? null}::uuid`,
    );
  }

  /** Deletes the rows and writes their revocations, in one transaction. */
  private async end(tx: AnnouncedTransaction, condition: RawBuilder<unknown>): Promise<EndedSession[]> {
    const removed = await this.records(
      tx,
      sql<SessionRow>`delete from session where ${condition} returning *`,
    );
    return this.revocations.endSessions(tx, removed);
  }

  private async records(em: EntityManager, query: RawBuilder<SessionRow>): Promise<SessionRecord[]> {
    return (await statement(em, query)).map(toRecord);
  }
}

/** The columns as they were read. A change is written only while they are the same. */
interface Version {
  readonly stored: RefreshNotes | null;
  readonly seen: number | null;
}

interface HeldColumns {
  readonly refresh_notes: RefreshNotes | null;
  readonly seen_generation: number | null;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly rotated: number;
  readonly by_step_up: boolean;
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
  dpop_jkt: string | null;
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
    jkt: row.dpop_jkt,
    createdAt: new Date(row.created_at),
    lastUsedAt: new Date(row.last_used_at),
    expiresAt: new Date(row.expires_at),
  };
}

/** Sessions whose absolute life is over. Idle sessions are removed only then. */
export const expiredSessions = expiredRows('expired sessions', 'session', sql`expires_at < now()`);
