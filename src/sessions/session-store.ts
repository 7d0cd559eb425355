import type { EntityManager } from '@mikro-orm/postgresql';
import type { HeldGeneration, RefreshNotes } from './refresh-contract.ts';
import type { RefreshTokenClaims } from './refresh-token.ts';
import type { AnnouncedTransaction } from './revocations.ts';
import type { Subject } from './subject.ts';

/** A session as every adapter keeps it. */
export interface SessionRecord {
  readonly id: string;
  readonly userId: string;
  readonly generation: number;
  readonly authenticatedAt: Date;
  readonly amr: readonly string[];
  readonly aal: number;
  readonly userAgent: string | null;
  readonly ipAddress: string | null;
  /** Thumbprint of the key that it is bound to (RFC 9449); null: to none. */
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
  /** Thumbprint of the key that it is bound to; absent or null: to none. */
  jkt?: string | null;
  /** Seconds from now; absolute. */
  ttlSeconds: number;
}

/** Where a session is used from. */
export type SessionUse = Pick<SessionRecord, 'userAgent' | 'ipAddress'>;

/** A session of a user. */
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
  /** What the refresh contract judges by. */
  readonly held: HeldGeneration;
  /** What the store recognises the session by, when a change is written: only the adapter that made it reads it. */
  readonly version: unknown;
}

/** What became of a presented refresh token in the store. */
export type Rotation =
  /** It was the current one: the generation advanced by one. */
  | { readonly kind: 'rotated'; readonly session: SessionRecord; readonly subject: Subject }
  /** It was not: nothing changed, and the refresh contract decides. */
  | { readonly kind: 'other'; readonly found: HeldSession }
  /** No such session, or one that may not have tokens. Nothing changed. */
  | { readonly kind: 'unknown' };

/** A change to what was read. */
export interface SessionChange {
  readonly notes: RefreshNotes;
  /** The session goes on at this generation; it is used, and rotated, now and here. */
  readonly advance?: { readonly to: number; readonly use: SessionUse };
  /** The holder proved who they are: the session has these methods and this level from now on, and the time is now. */
  readonly proof?: SessionProof;
}

/** How the holder of a session proved who they are. */
export type SessionProof = Pick<SessionRecord, 'amr' | 'aal'>;

/** An access token of this generation was used at the gateway. */
export interface Sighting {
  readonly userId: string;
  readonly sessionId: string;
  readonly generation: number;
}

/** The same for every adapter. */
export interface SessionStoreOptions {
  /** Undefined: no idle limit. */
  readonly idleTtlSeconds: number | undefined;
  readonly maxPerUser: number;
}

/**
 * The port to the active sessions; every adapter passes tests/sessions/session-store.contract.ts.
 *
 * A session that has an ending, has expired, or was not refreshed within the idle limit does not exist for any of
 * these calls, whatever the store still holds. Time is the store's own clock.
 *
 * Whatever removes a session writes its ending in that transaction, and that insert, one for each session,
 * decides which of several calls has ended it. What write() wrote may stand although the transaction is rolled back: make
 * it the last thing there.
 *
 * @throws {ServiceUnavailable} from every call, when the store is away.
 */
export interface SessionStore {
  /**
   * The caller holds a lock on the user, so that sessions of parallel sign-ins are counted one after the other.
   * @returns the session, and the oldest ones of the user, which are over the limit and were ended.
   */
  create(
    tx: AnnouncedTransaction,
    session: NewSession,
  ): Promise<{ session: SessionRecord; displaced: EndedSession[] }>;
  find(em: EntityManager, userId: string, sessionId: string): Promise<SessionRecord | null>;
  /** Most recently used first. */
  list(em: EntityManager, userId: string): Promise<SessionRecord[]>;
  /** Compare-and-set on the generation, in one round trip. */
  rotate(em: EntityManager, presented: RefreshTokenClaims, use: SessionUse): Promise<Rotation>;
  /** @returns null when there is no such session, or its account may not have tokens. */
  look(em: EntityManager, session: SessionReference): Promise<HeldSession | null>;
  /**
   * Compare-and-set on everything that was read of the rotation.
   * @returns null when that changed, or the session is over: nothing was written. Look again.
   */
  write(em: EntityManager, found: HeldSession, change: SessionChange): Promise<SessionRecord | null>;
  /**
   * Notes sightings of current generations, at most a few hundred sessions at once. It waits for no lock.
   * @returns those that it noted; the others are old, were noted before, or are being changed.
   */
  markSeen(em: EntityManager, sightings: readonly Sighting[]): Promise<Sighting[]>;
  /**
   * @param options.known a genuine token names the session of this user, so it need not be found first: it is ended
   * also when the store lost it, or is away
   * @returns the session when this call ended it.
   */
  remove(
    tx: AnnouncedTransaction,
    userId: string,
    sessionId: string,
    options?: { known?: boolean },
  ): Promise<EndedSession | null>;
  /** @returns those that this call ended. */
  removeAll(tx: AnnouncedTransaction, userId: string, options?: { except?: string }): Promise<EndedSession[]>;
}
