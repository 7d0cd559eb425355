import type { EntityManager } from '@mikro-orm/postgresql';
import type { OwnerNotices } from '../notices/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import {
  InvalidDpopProof,
  InvalidRefreshToken,
  RefreshTokenSuperseded,
  ServiceUnavailable,
} from '../platform/errors.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { type RequestSource } from '../platform/request/index.ts';
import type { KeyBinding } from './dpop/key-binding.ts';
import type { GenerationSightings } from './generation-sightings.ts';
import { refreshes } from './metrics.ts';
import type { REFRESH_NOTICES } from './notices.ts';
import { type Judgement, judgePresentation } from './refresh-contract.ts';
import type { RefreshTokenClaims, RefreshTokens } from './refresh-token.ts';
import type { Revocations } from './revocations.ts';
import type { HeldSession, SessionRecord, SessionStore, SessionUse } from './session-store.ts';
import type { Subject } from './subject.ts';
import { MOST_ATTEMPTS } from './supersession.ts';
import type { TokenPair, TokenPairs } from './token-pair.ts';

/**
 * A refresh with a token is charged to the IP and to the session. A refused refresh is charged to `refreshRefused`,
 * also when no token came. That bounds a page without a session that retries in a loop. People who refresh never meet
 * that rule.
 */
export const REFRESH_RULES = {
  'refresh.ip': { burst: 300, perSeconds: 60, counts: 'IP' },
  'refresh.session': {
    burst: 60,
    perSeconds: 60,
    counts: 'refresh token of a session; counted separately without the proof of its key',
  },
  'refreshRefused.ip': {
    burst: 120,
    perSeconds: 60,
    counts: 'IP; refused refreshes only, even without a token',
  },
} as const;

/**
 * Milliseconds that a request may have waited in a process and still be evidence of theft. A client that waited longer
 * may have given up and gone on elsewhere, so that its own late request looks like a copy.
 */
const EVIDENCE_MAX_AGE = 2_000;

/** The session and subject for which tokens are issued. */
interface Outcome {
  readonly session: SessionRecord;
  readonly subject: Subject;
}

/** A refresh token, and the source of the request that presented it. */
interface Presentation {
  readonly presented: RefreshTokenClaims;
  readonly source: RequestSource;
}

/** Thrown inside the transaction, to roll back the audit event and the notice. */
class ChangedMeanwhile extends Error {}

/** The parts that `RefreshRotation` uses. */
export interface RefreshRotationDependencies {
  readonly refreshTokens: RefreshTokens;
  readonly store: SessionStore;
  readonly sightings: GenerationSightings;
  readonly revocations: Revocations;
  readonly tokenPairs: TokenPairs;
  readonly notices: OwnerNotices<keyof typeof REFRESH_NOTICES>;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof REFRESH_RULES>;
  readonly options: { readonly refreshGraceSeconds: number };
  readonly keyBinding: KeyBinding;
}

/**
 * Exchanges a refresh token for a new pair (RFC 6749 section 6), with rotation (RFC 9700 section 4.14.2). The current
 * token advances the generation in one statement. For every other token, the refresh contract (refresh-contract.ts)
 * decides, by the grace and by the place of the client. This class carries the decision out. The notes, the audit event
 * and the mail to the owner commit together.
 */
export class RefreshRotation {
  constructor(private readonly deps: RefreshRotationDependencies) {}

  /**
   * @param token undefined when the client sent none
   * @throws {InvalidRefreshToken} absent, unknown, expired, revoked or reused: one message for all.
   * @throws {InvalidDpopProof} when the request does not prove the key that the token is bound to.
   * @throws {RefreshTokenSuperseded} when the session goes on with a newer token.
   * @throws {RateLimited} instead of a refusal, when this client had too many refusals.
   */
  async rotate(em: EntityManager, token: string | undefined, source: RequestSource): Promise<TokenPair> {
    try {
      if (token === undefined) throw unknown('none was sent');
      return await this.exchange(em, token, source);
    } catch (error) {
      // After the exchange: the effects of the refusal are committed, and a refresh that succeeds is not charged here.
      if (error instanceof InvalidRefreshToken || error instanceof InvalidDpopProof) {
        await this.deps.rateLimiter.charge(['refreshRefused.ip', source.networks]);
      }
      throw error;
    }
  }

  private async exchange(em: EntityManager, token: string, source: RequestSource): Promise<TokenPair> {
    const presented = this.deps.refreshTokens.read(token);
    await this.deps.rateLimiter.charge(
      ['refresh.ip', source.networks],
      ...(presented ? [['refresh.session', chargedAs(presented, source)] as const] : []),
    );
    if (!presented) throw unknown('not a refresh token of this gateway');
    await this.deps.keyBinding.requireForRefresh(em, presented, source);

    const { session, subject } = await this.present(em, presented, source);
    return this.deps.tokenPairs.issue(session, subject);
  }

  /**
   * Judges the token by the session in the store. Begins again when the session changed before the outcome was written.
   */
  private async present(
    em: EntityManager,
    presented: RefreshTokenClaims,
    source: RequestSource,
  ): Promise<Outcome> {
    const use = { userAgent: source.userAgent, ipAddress: source.clientIp };
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const rotation = await this.deps.store.rotate(em, presented, use);
      if (rotation.kind === 'rotated') {
        refreshes.add({ outcome: 'rotated' });
        return rotation;
      }
      if (rotation.kind === 'unknown') throw unknown('no such session');
      const { found } = rotation;
      const judgement = this.judge(found, presented, use);
      try {
        if (judgement.outcome === 'rotate') continue;
        if (judgement.outcome === 'reuse' || judgement.outcome === 'refuse') requireFreshEvidence(source);
        const outcome = await this.carryOut(em, judgement, found, { presented, source });
        refreshes.add({ outcome: COUNTED_AS[judgement.outcome] });
        return outcome;
      } catch (error) {
        if (error instanceof ChangedMeanwhile) continue;
        // Any other error says nothing about the token: the database may be away, for example.
        if (isRefusal(error)) refreshes.add({ outcome: COUNTED_AS[judgement.outcome] });
        throw error;
      }
    }
    throw new ServiceUnavailable({ detail: 'the session kept changing' });
  }

  private judge({ session, held }: HeldSession, presented: RefreshTokenClaims, use: SessionUse): Judgement {
    const seen = held.seen || this.deps.sightings.has(session.id, held.generation);
    return judgePresentation(
      { ...held, seen },
      { generation: presented.generation, place: use },
      { graceSeconds: this.deps.options.refreshGraceSeconds },
    );
  }

  private async carryOut(
    em: EntityManager,
    judgement: Exclude<Judgement, { outcome: 'rotate' }>,
    found: HeldSession,
    presentation: Presentation,
  ): Promise<Outcome> {
    const { presented, source } = presentation;
    switch (judgement.outcome) {
      case 'unknown':
        throw new InvalidRefreshToken('no such generation');
      case 'reuse':
        await this.endReused(em, found.session, presentation);
        throw new InvalidRefreshToken(`reused (${judgement.recorded}): the session was ended`);
      case 'move forward':
        return this.moveForward(em, judgement, found, presentation);
      case 'repeat':
        return judgement.recorded === null ? found : this.repeat(em, judgement, found, presentation);
      default: {
        const { outcome, recorded, tellOwner } = judgement;
        await em.transactional(async (tx) => {
          if (tellOwner) await this.deps.notices.tell(tx, presented.userId, 'refresh-refused', source);
          await this.deps.audit.record(tx, source, {
            action: outcome === 'superseded' ? 'session.refresh_superseded' : 'session.refresh_refused',
            actorId: null,
            subjectId: presented.userId,
            outcome: AuditOutcome.FAILURE,
            details: { ...generationsOf(found, presented), circumstance: recorded },
          });
        });
        if (outcome === 'superseded') throw new RefreshTokenSuperseded(recorded);
        throw new InvalidRefreshToken(`refused (${recorded}): the session goes on`);
      }
    }
  }

  private repeat(
    em: EntityManager,
    { recorded, tellOwner, notes }: Extract<Judgement, { outcome: 'repeat'; recorded: string }>,
    found: HeldSession,
    { presented, source }: Presentation,
  ): Promise<Outcome> {
    return em.transactional(async (tx) => {
      if (tellOwner) await this.deps.notices.tell(tx, presented.userId, 'refresh-repeated', source);
      await this.deps.audit.record(tx, source, {
        action: 'session.refresh_repeated',
        actorId: null,
        subjectId: presented.userId,
        details: { ...generationsOf(found, presented), circumstance: recorded },
      });
      // Last, since a rollback of the transaction does not undo a write to Redis.
      if (!(await this.deps.store.write(tx, found, { notes }))) throw new ChangedMeanwhile();
      return found;
    });
  }

  private moveForward(
    em: EntityManager,
    { lost, notes }: Extract<Judgement, { outcome: 'move forward' }>,
    found: HeldSession,
    { presented, source }: Presentation,
  ): Promise<Outcome> {
    const use = { userAgent: source.userAgent, ipAddress: source.clientIp };
    return em.transactional(async (tx) => {
      await this.deps.audit.record(tx, source, {
        action: 'session.refresh_moved_forward',
        actorId: null,
        subjectId: presented.userId,
        details: { sessionId: presented.sessionId, presented: presented.generation, lost },
      });
      // Last, for the same reason as in repeat().
      const advance = { to: presented.generation + 1, use };
      const session = await this.deps.store.write(tx, found, { notes, advance });
      if (!session) throw new ChangedMeanwhile();
      return { session, subject: found.subject };
    });
  }

  private async endReused(em: EntityManager, session: SessionRecord, { presented, source }: Presentation) {
    await this.deps.revocations.transactional(em, async (tx) => {
      const ended = await this.deps.store.remove(tx, session.userId, session.id, { known: true });
      if (!ended) return;
      await this.deps.notices.tell(tx, session.userId, 'refresh-reuse', source);
      await this.deps.audit.record(tx, source, {
        action: 'session.refresh_reused',
        actorId: null,
        subjectId: session.userId,
        outcome: AuditOutcome.FAILURE,
        details: {
          sessionId: session.id,
          presented: presented.generation,
          current: session.generation,
        },
      });
    });
  }
}

/** The names of the judgements in the metric `gatehouse_refreshes_total`. */
const COUNTED_AS: Readonly<Record<Judgement['outcome'], string>> = {
  rotate: 'rotated',
  'move forward': 'moved_forward',
  repeat: 'repeated',
  reuse: 'reused',
  superseded: 'superseded',
  refuse: 'refused',
  unknown: 'unknown',
};

const isRefusal = (error: unknown): boolean =>
  error instanceof InvalidRefreshToken || error instanceof RefreshTokenSuperseded;

function unknown(detail: string): InvalidRefreshToken {
  refreshes.add({ outcome: 'unknown' });
  return new InvalidRefreshToken(detail);
}

/**
 * Defers a judgement that rests on a stale request. A thief gains nothing by it: the token is refused now and judged
 * when it comes again.
 */
function requireFreshEvidence({ completeSince }: RequestSource): void {
  if (completeSince === undefined || performance.now() - completeSince <= EVIDENCE_MAX_AGE) return;
  throw new ServiceUnavailable({
    detail: 'the refresh waited here too long to tell a copied token from a late request',
    retryAfterSeconds: 1,
  });
}

/**
 * Returns the key of the rate limit: each token has its own, and a second one for requests that do not prove its key.
 * A copy that is refused again and again, while the session lives on, must not use up the refreshes of the owner.
 */
const chargedAs = (
  { sessionId, generation, jkt }: RefreshTokenClaims,
  { dpopThumbprint }: RequestSource,
): string => `${sessionId} ${generation}${jkt == null || jkt === dpopThumbprint ? '' : ' unproved'}`;

const generationsOf = ({ held }: HeldSession, { sessionId, generation }: RefreshTokenClaims) => ({
  sessionId,
  presented: generation,
  current: held.generation,
});
