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

/** What became of a presented refresh token. */
export type Rotation =
  /**
   * It was the current one: the generation advanced by one. A store that can comes back with the subject, read in the
   * same statement; otherwise it is read next.
   */
  | { kind: 'rotated'; session: SessionRecord; subject?: Subject }
  /** It was the immediate predecessor, within the grace: the current generation again, nothing changed. */
  | { kind: 'repeated'; session: SessionRecord }
  /** It had been used before. */
  | { kind: 'reused'; session: SessionRecord }
  /** No such session, or a generation that this session has not reached. Nothing changed. */
  | { kind: 'unknown' };

/**
 * The port to the active sessions; every adapter passes tests/sessions/session-store.contract.ts.
 * Sessions that expired, or were not refreshed within the idle limit, do not exist for any of these calls. Time is the store's own clock.
 */
export interface SessionStore {
  /** @returns the session, and the oldest ones of the user that it displaced: end them. */
  create(
    em: EntityManager,
    session: NewSession,
  ): Promise<{ session: SessionRecord; displaced: SessionRecord[] }>;
  find(em: EntityManager, userId: string, sessionId: string): Promise<SessionRecord | null>;
  /** Most recently used first. */
  list(em: EntityManager, userId: string): Promise<SessionRecord[]>;
  /** Compare-and-set on the generation. */
  rotate(em: EntityManager, presented: RefreshTokenClaims, use: SessionUse): Promise<Rotation>;
  /**
   * The holder proved again who they are: sets the authentication time to now, advances the generation, adds the
   * methods and never lowers the level.
   */
  stepUp(
    em: EntityManager,
    session: { userId: string; sessionId: string },
    proof: { amr: readonly string[]; aal: number },
  ): Promise<SessionRecord | null>;
  /** @returns the session when this call removed it. */
  remove(em: EntityManager, userId: string, sessionId: string): Promise<SessionRecord | null>;
  /** @returns those that this call removed. */
  removeAll(em: EntityManager, userId: string, options?: { except?: string }): Promise<SessionRecord[]>;
}
