import type { EntityManager } from '@mikro-orm/postgresql';
import type { HeldGeneration, RefreshNotes } from './refresh-contract.ts';
import type { RefreshTokenClaims } from './refresh-token.ts';
import type { AnnouncedTransaction } from './revocations.ts';
import type { Subject } from './subject.ts';

/** A session in the form that every adapter returns. */
export interface SessionRecord {
  readonly id: string;
  readonly userId: string;
  readonly generation: number;
  readonly authenticatedAt: Date;
  readonly amr: readonly string[];
  readonly aal: number;
  readonly userAgent: string | null;
  readonly ipAddress: string | null;
  /** Thumbprint of the key that the session is bound to (RFC 9449), or null. */
  readonly jkt: string | null;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
  readonly expiresAt: Date;
}

export interface NewSession {
  userId: string;
  amr: readonly string[];
  aal: number;
  userAgent: string | null;
  ipAddress: string | null;
  /** Thumbprint of the key that the session is bound to. Absent or null without a key. */
  jkt?: string | null;
  /** Absolute life, in seconds from now. */
  ttlSeconds: number;
}

/** The source of the last use of a session. */
export type SessionUse = Pick<SessionRecord, 'userAgent' | 'ipAddress'>;

/** Names a session of a user. */
export interface SessionReference {
  readonly userId: string;
  readonly sessionId: string;
}

/** A session that a call has just ended. */
export type EndedSession = Pick<SessionRecord, 'id' | 'userId'>;

/** A session of an account that may have tokens, as a store holds it now. */
export interface HeldSession {
  readonly session: SessionRecord;
  readonly subject: Subject;
  /** The facts by which the refresh contract judges. */
  readonly held: HeldGeneration;
  /** The version that was read. A change is written only to this version. Only the adapter that made it reads it. */
  readonly version: unknown;
}

/** The outcome of a presented refresh token in the store. */
export type Rotation =
  /** The token was current: the generation advanced by one. */
  | { readonly kind: 'rotated'; readonly session: SessionRecord; readonly subject: Subject }
  /** The token was not current: nothing changed, and the refresh contract decides. */
  | { readonly kind: 'other'; readonly found: HeldSession }
  /** The session does not exist, or its account may not have tokens. Nothing changed. */
  | { readonly kind: 'unknown' };

/** A change to a session that was read. */
export interface SessionChange {
  readonly notes: RefreshNotes;
  /** Advances the session to this generation, and sets the times of rotation and last use to now. */
  readonly advance?: { readonly to: number; readonly use: SessionUse };
  /** Sets these methods and this level, and the authentication time to now, after the holder proved who they are. */
  readonly proof?: SessionProof;
}

/** How the holder of a session proved who they are. */
export type SessionProof = Pick<SessionRecord, 'amr' | 'aal'>;

/** The use of an access token of this generation at the gateway. */
export interface Sighting {
  readonly userId: string;
  readonly sessionId: string;
  readonly generation: number;
}

/** The options that all adapters share. */
export interface SessionStoreOptions {
  /** Undefined without an idle limit. */
  readonly idleTtlSeconds: number | undefined;
  readonly maxPerUser: number;
}

/**
 * The port to the active sessions. Every adapter passes tests/sessions/session-store.contract.ts.
 *
 * For all of these calls, a session does not exist when it was revoked, has expired, or is idle: it was not refreshed
 * for SESSION_IDLE_TTL_SECONDS. The store may still hold it. Each adapter decides by its store's own clock
 * (postgres-session-store.ts, redis-session-scripts.ts).
 *
 * A call that removes a session writes its revocation in the same transaction. The insert of the revocation decides
 * which of several concurrent calls ended the session. A rollback of the transaction may not undo write(), so call it
 * last.
 *
 * @throws {ServiceUnavailable} from every call, when the store is away.
 */
export interface SessionStore {
  /**
   * Creates a session. The caller holds a lock on the user, so that sessions of parallel sign-ins are counted one after
   * the other.
   * @returns the session, and the oldest sessions of the user that were ended because they exceed the limit.
   */
  create(
    tx: AnnouncedTransaction,
    session: NewSession,
  ): Promise<{ session: SessionRecord; displaced: EndedSession[] }>;
  find(em: EntityManager, userId: string, sessionId: string): Promise<SessionRecord | null>;
  /** Lists the sessions of a user, most recently used first. */
  list(em: EntityManager, userId: string): Promise<SessionRecord[]>;
  /** Compare-and-set on the generation, in one round trip. */
  rotate(em: EntityManager, presented: RefreshTokenClaims, use: SessionUse): Promise<Rotation>;
  /** @returns null when there is no such session, or its account may not have tokens. */
  look(em: EntityManager, session: SessionReference): Promise<HeldSession | null>;
  /**
   * Compare-and-set on all rotation data that was read.
   * @returns null when that data changed or the session ended. Nothing was written; look again.
   */
  write(em: EntityManager, found: HeldSession, change: SessionChange): Promise<SessionRecord | null>;
  /**
   * Notes sightings of current generations, for at most a few hundred sessions at once. It waits for no lock.
   * @returns the sightings that were noted. The others are old, were noted before, or belong to a row that is locked.
   */
  markSeen(em: EntityManager, sightings: readonly Sighting[]): Promise<Sighting[]>;
  /**
   * @param options.known a genuine token names the session of this user, so the session is ended even when the store
   * lost it or is away
   * @returns the session when this call ended it.
   */
  remove(
    tx: AnnouncedTransaction,
    userId: string,
    sessionId: string,
    options?: { known?: boolean },
  ): Promise<EndedSession | null>;
  /** @returns the sessions that this call ended. */
  removeAll(tx: AnnouncedTransaction, userId: string, options?: { except?: string }): Promise<EndedSession[]>;
}
