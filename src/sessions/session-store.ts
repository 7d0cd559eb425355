import type { EntityManager } from '@mikro-orm/postgresql';
import type { RefreshTokenClaims } from './refresh-token.ts';
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
  /** Seconds from now; absolute. */
  ttlSeconds: number;
}

/** Where a session is used from. */
export type SessionUse = Pick<SessionRecord, 'userAgent' | 'ipAddress'>;

/** A session that a call has just ended. */
export type EndedSession = Pick<SessionRecord, 'id' | 'userId'>;

/** What became of a presented refresh token. */
export type Rotation =
  /**
   * It was the current one: the generation advanced by one. Or it was ahead of a store that had lost as many
   * generations as `lost` says: the session went on from the token.
   */
  | { kind: 'rotated'; session: SessionRecord; subject: Subject; lost: number }
  /**
   * It was the immediate predecessor, within the grace: the current generation again, nothing changed. The grace of a
   * step-up ends with the first use of the successor: both times of the session are the same until then.
   */
  | { kind: 'repeated'; session: SessionRecord; subject: Subject }
  /** It had been used before. */
  | { kind: 'reused'; session: SessionRecord }
  /** No such session, one that may not have tokens, or a generation that it cannot have reached. Nothing changed. */
  | { kind: 'unknown' };

/** The same for every adapter. */
export interface SessionStoreOptions {
  readonly refreshGraceSeconds: number;
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
 * Whatever removes a session writes its ending in the transaction of `em`, and that insert, one for each session,
 * decides which of several calls has ended it. Call these, and create, in Endings.transactional. A step-up may stand
 * although the transaction is rolled back: make it the last thing there.
 *
 * @throws {ServiceUnavailable} from every call, when the store is away.
 */
export interface SessionStore {
  /**
   * The caller holds a lock on the user, so that sessions of parallel sign-ins are counted one after the other.
   * @returns the session, and the oldest ones of the user, which are over the limit and were ended.
   */
  create(
    em: EntityManager,
    session: NewSession,
  ): Promise<{ session: SessionRecord; displaced: EndedSession[] }>;
  find(em: EntityManager, userId: string, sessionId: string): Promise<SessionRecord | null>;
  /** Most recently used first. */
  list(em: EntityManager, userId: string): Promise<SessionRecord[]>;
  /** Compare-and-set on the generation. */
  rotate(em: EntityManager, presented: RefreshTokenClaims, use: SessionUse): Promise<Rotation>;
  /**
   * The holder proved again who they are: sets the authentication time to now, advances the generation, adds the
   * methods and never lowers the level. The time of the rotation is the same instant (see `repeated`). `keepTokens`: the
   * generation stays, for a caller who is not given new tokens.
   */
  stepUp(
    em: EntityManager,
    session: { userId: string; sessionId: string },
    proof: { amr: readonly string[]; aal: number },
    options?: { keepTokens?: boolean },
  ): Promise<SessionRecord | null>;
  /**
   * @param options.known a genuine token names the session of this user, so it need not be found first: it is ended
   * while the store is away, too
   * @returns the session when this call ended it.
   */
  remove(
    em: EntityManager,
    userId: string,
    sessionId: string,
    options?: { known?: boolean },
  ): Promise<EndedSession | null>;
  /** @returns those that this call ended. */
  removeAll(em: EntityManager, userId: string, options?: { except?: string }): Promise<EndedSession[]>;
}
