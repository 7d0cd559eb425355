import type { EntityManager } from '@mikro-orm/postgresql';
import { afterTransaction, type Outcome, timeLeft } from '../platform/database/index.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import { newId } from '../platform/id.ts';
import { RedisAway, type RedisConnection, type RedisScript } from '../platform/redis/index.ts';
import { CREATE, FIND, LIST, LOOK, MARK_SEEN, ROTATE, WRITE } from './redis-session-scripts.ts';
import { notesOfEarlierRelease, type RefreshNotes } from './refresh-contract.ts';
import type { RefreshTokenClaims } from './refresh-token.ts';
import { type AnnouncedTransaction, type Endable, endableByToken, type Revocations } from './revocations.ts';
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
import { loadSubject, type Subject } from './subject.ts';

/**
 * Keeps the active sessions in Redis, which may lose all data at any moment or restore an old copy. So PostgreSQL
 * decides which sessions have ended: revocations are written there, and every session that is read here is checked
 * against them. A session is removed from Redis after the commit of its revocation. If that fails, it only wastes
 * memory.
 */
export class RedisSessionStore implements SessionStore {
  constructor(
    private readonly redis: RedisConnection,
    private readonly revocations: Revocations,
    private readonly options: SessionStoreOptions,
  ) {}

  async create(tx: AnnouncedTransaction, { userId, ttlSeconds, ...facts }: NewSession) {
    const { amr, aal, userAgent, ipAddress, jkt = null } = facts;
    const session = JSON.stringify({ id: newId(), generation: 0, amr, aal, userAgent, ipAddress, jkt });
    const texts = (await this.run(CREATE, userId, session, ttlSeconds * 1000)) as string[];
    const [created, ...held] = texts.map((text) => toRecord(userId, text));
    if (!created) throw new Error('the session was not written');
    this.dropAfter(tx, 'rolled back', userId, [created]);
    const others = await this.withoutEnded(tx, userId, held);
    const newestFirst = others.toSorted((a, b) => +b.createdAt - +a.createdAt || (a.id < b.id ? 1 : -1));
    const displaced = await this.end(tx, userId, newestFirst.slice(this.options.maxPerUser - 1));
    return { session: created, displaced };
  }

  async find(em: EntityManager, userId: string, sessionId: string): Promise<SessionRecord | null> {
    const held = await this.read(userId, sessionId);
    const [found] = await this.withoutEnded(em, userId, held ? [held] : []);
    return found ?? null;
  }

  async list(em: EntityManager, userId: string): Promise<SessionRecord[]> {
    const found = await this.withoutEnded(em, userId, await this.readAll(userId));
    return found.toSorted((a, b) => +b.lastUsedAt - +a.lastUsedAt || (a.id < b.id ? 1 : -1));
  }

  async rotate(em: EntityManager, presented: RefreshTokenClaims, use: SessionUse): Promise<Rotation> {
    const { userId, sessionId, generation } = presented;
    // Before the generation is consumed. Afterwards, a failing database would leave the client without an answer.
    const subject = await loadSubject(em, userId, sessionId);
    if (!subject) return { kind: 'unknown' };
    const { userAgent, ipAddress } = use;
    const [text, now] = (await this.run(
      ROTATE,
      userId,
      sessionId,
      generation,
      JSON.stringify({ userAgent, ipAddress }),
    )) as [text?: string, now?: number | null];
    if (text === undefined) return { kind: 'unknown' };
    if (now == null) return { kind: 'rotated', session: toRecord(userId, text), subject };
    return { kind: 'other', found: toHeld(userId, text, now, subject) };
  }

  async look(em: EntityManager, { userId, sessionId }: SessionReference): Promise<HeldSession | null> {
    const subject = await loadSubject(em, userId, sessionId);
    if (!subject) return null;
    const [text, now] = (await this.run(LOOK, userId, sessionId)) as [text?: string, now?: number];
    return text === undefined || now === undefined ? null : toHeld(userId, text, now, subject);
  }

  async write(
    em: EntityManager,
    { session, version }: HeldSession,
    { notes, advance, proof }: SessionChange,
  ): Promise<SessionRecord | null> {
    const { id, userId } = session;
    const [standing] = await this.withoutEnded(em, userId, [{ id }]);
    if (!standing) return null;
    const change = JSON.stringify({ notes, advance, proof });
    const written = await this.run(WRITE, userId, id, version as string, change);
    return written === null ? null : toRecord(userId, written as string);
  }

  async markSeen(_em: EntityManager, sightings: readonly Sighting[]): Promise<Sighting[]> {
    const marked = await Promise.all(
      sightings.map(async (sighting) => {
        const { userId, sessionId, generation } = sighting;
        return (await this.run(MARK_SEEN, userId, sessionId, generation)) === 1 ? sighting : null;
      }),
    );
    return marked.filter((sighting) => sighting !== null);
  }

  async remove(
    tx: AnnouncedTransaction,
    userId: string,
    sessionId: string,
    { known = false }: { known?: boolean } = {},
  ): Promise<EndedSession | null> {
    const held = await this.read(userId, sessionId).catch((error: unknown) => {
      if (known && error instanceof RedisAway) return null;
      throw error;
    });
    // A session that Redis lost (flushed, evicted) may have access tokens that are still valid.
    const session = held ?? (known ? endableByToken({ userId, sessionId }) : null);
    const [ended] = await this.end(tx, userId, session ? [session] : []);
    return ended ?? null;
  }

  async removeAll(
    tx: AnnouncedTransaction,
    userId: string,
    { except }: { except?: string } = {},
  ): Promise<EndedSession[]> {
    const held = await this.readAll(userId);
    return this.end(
      tx,
      userId,
      held.filter(({ id }) => id !== except),
    );
  }

  private async read(userId: string, sessionId: string): Promise<SessionRecord | null> {
    const text = await this.run(FIND, userId, sessionId);
    return text === null ? null : toRecord(userId, text as string);
  }

  private async readAll(userId: string): Promise<SessionRecord[]> {
    const texts = (await this.run(LIST, userId)) as string[];
    return texts.map((text) => toRecord(userId, text));
  }

  private async end(
    tx: AnnouncedTransaction,
    userId: string,
    sessions: readonly Endable[],
  ): Promise<EndedSession[]> {
    const ended = await this.revocations.endSessions(tx, sessions);
    this.dropAfter(tx, 'committed', userId, sessions);
    return ended;
  }

  /** Filters out ended sessions. A restored copy of Redis may contain them, so they are removed again. */
  private async withoutEnded<Held extends Pick<SessionRecord, 'id'>>(
    em: EntityManager,
    userId: string,
    held: readonly Held[],
  ): Promise<Held[]> {
    const standing = await this.revocations.withoutEnded(em, held);
    const ended = held.filter((session) => !standing.includes(session));
    this.dropAfter(em, 'committed', userId, ended);
    return standing;
  }

  private dropAfter(
    em: EntityManager,
    when: Outcome,
    userId: string,
    sessions: ReadonlyArray<Pick<SessionRecord, 'id'>>,
  ): void {
    if (sessions.length === 0) return;
    const ids = sessions.map(({ id }) => id);
    afterTransaction(em, (outcome) => {
      if (outcome !== when) return;
      this.redis.run((client) => client.hDel(keyOf(userId), ids)).catch(() => {});
    });
  }

  private async run(
    script: RedisScript,
    userId: string,
    ...args: ReadonlyArray<string | number>
  ): Promise<unknown> {
    // Like the statements of an operation (platform/database/connection-care.ts), no script runs after the deadline.
    if (timeLeft() <= 0) throw new ServiceUnavailable({ detail: 'the operation is past its deadline' });
    const { idleTtlSeconds } = this.options;
    const idle = idleTtlSeconds === undefined ? '' : idleTtlSeconds * 1000;
    return this.redis.run((client, latest) => script.run(client, [keyOf(userId)], [idle, ...args, latest]));
  }
}

/** The braces are a hash tag: a cluster chooses the slot by the user id alone. */
const keyOf = (userId: string): string => `gatehouse:sessions:{${userId}}`;

/** A session in the form in which the scripts store it. */
interface StoredSession {
  id: string;
  generation: number;
  amr: string[];
  aal: number;
  userAgent: string | null;
  ipAddress: string | null;
  /** Absent in a session that was stored before this field existed. */
  jkt?: string | null;
  authenticatedAt: number;
  rotatedAt: number;
  createdAt: number;
  lastUsedAt: number;
  expiresAt: number;
  /** Absent until there are notes. */
  notes?: RefreshNotes;
  /** The latest generation with a used access token. */
  seenGeneration?: number;
}

function toHeld(userId: string, text: string, now: number, subject: Subject): HeldSession {
  const { generation, rotatedAt, authenticatedAt, ...stored } = JSON.parse(text) as StoredSession;
  const { userAgent, ipAddress, notes, seenGeneration = -1 } = stored;
  return {
    session: toRecord(userId, text),
    subject,
    held: {
      generation,
      rotatedAt,
      now,
      place: { userAgent, ipAddress },
      notes: notes ?? notesOfEarlierRelease(generation, rotatedAt === authenticatedAt),
      seen: seenGeneration >= generation,
    },
    version: text,
  };
}

function toRecord(userId: string, text: string): SessionRecord {
  const held = JSON.parse(text) as StoredSession;
  return {
    id: held.id,
    userId,
    generation: held.generation,
    authenticatedAt: new Date(held.authenticatedAt),
    amr: held.amr,
    aal: held.aal,
    userAgent: held.userAgent,
    ipAddress: held.ipAddress,
    jkt: held.jkt ?? null,
    createdAt: new Date(held.createdAt),
    lastUsedAt: new Date(held.lastUsedAt),
    expiresAt: new Date(held.expiresAt),
  };
}
