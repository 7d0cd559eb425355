import type { EntityManager } from '@mikro-orm/postgresql';
import type { OwnerNotices } from '../notices/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { InvalidRefreshToken } from '../platform/errors.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { networksOf, type RequestOrigin } from '../platform/request/index.ts';
import type { Endings } from './endings.ts';
import type { RefreshTokens } from './refresh-token.ts';
import type { SessionRecord, SessionStore } from './session-store.ts';
import type { TokenPair, TokenPairs } from './token-pair.ts';

/** A refresh spends one from each. */
export const REFRESH_RULES = {
  'refresh.address': { burst: 300, perSeconds: 60 },
  'refresh.session': { burst: 60, perSeconds: 60 },
} as const;

/**
 * Exchanges a refresh token for a new pair (RFC 6749 section 6), rotating it (RFC 9700 section 4.14.2).
 * The current token advances the generation. Its immediate predecessor, within the grace, gets the same successor
 * again: parallel tabs and clients that lost a reply end up with one token, not two. Any older one is a sign of
 * theft: the session ends, and that stands although the caller gets an error. A token ahead of a store that can lose
 * its last moments moves the session forward, which the audit trail says.
 */
export class RefreshRotation {
  constructor(
    private readonly refreshTokens: RefreshTokens,
    private readonly store: SessionStore,
    private readonly endings: Endings,
    private readonly tokenPairs: TokenPairs,
    private readonly notices: OwnerNotices,
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter,
  ) {}

  /** @throws {InvalidRefreshToken} unknown, expired, revoked or reused: one message for all. */
  async rotate(em: EntityManager, token: string, origin: RequestOrigin): Promise<TokenPair> {
    const presented = this.refreshTokens.read(token);
    await this.rateLimiter.charge({
      'refresh.address': networksOf(origin.clientAddress ?? ''),
      ...(presented && { 'refresh.session': presented.sessionId }),
    });
    if (!presented) throw new InvalidRefreshToken('not a refresh token of this gateway');

    const use = { userAgent: origin.userAgent, ipAddress: origin.clientAddress };
    const rotation = await this.store.rotate(em, presented, use);
    if (rotation.kind === 'unknown') throw new InvalidRefreshToken('no such session or generation');
    if (rotation.kind === 'reused') {
      await this.endReused(em, rotation.session, presented.generation, origin);
      throw new InvalidRefreshToken('reused: the session was ended');
    }
    if (rotation.kind === 'rotated' && rotation.lost > 0) {
      await this.audit.record(em, origin, {
        action: 'session.refresh_moved_forward',
        actorId: null,
        subjectId: presented.userId,
        details: { sessionId: presented.sessionId, presented: presented.generation, lost: rotation.lost },
      });
    }
    return this.tokenPairs.issue(rotation.session, rotation.subject);
  }

  private async endReused(
    em: EntityManager,
    session: SessionRecord,
    generation: number,
    origin: RequestOrigin,
  ) {
    await this.endings.transactional(em, async (tx) => {
      const ended = await this.store.remove(tx, session.userId, session.id, { known: true });
      if (!ended) return;
      await this.notices.tell(tx, session.userId, 'refresh-reuse', origin);
      await this.audit.record(tx, origin, {
        action: 'session.refresh_reused',
        actorId: null,
        subjectId: session.userId,
        outcome: AuditOutcome.FAILURE,
        details: { sessionId: session.id, presented: generation, current: session.generation },
      });
    });
  }
}
