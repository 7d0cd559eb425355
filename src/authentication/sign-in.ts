import type { EntityManager } from '@mikro-orm/postgresql';
import { type LockedAccount, lockActiveAccount } from '../accounts/index.ts';
import {
  CREDENTIAL_OF,
  type FactorKind,
  type SecondFactorInput,
  type SecondFactors,
} from '../authenticators/index.ts';
import type { KnownDevices } from '../devices/index.ts';
import type { IssuedLinkChallenge, LinkChallenges } from '../identities/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { isOutcomeUnknown } from '../platform/database/index.ts';
import { type Credential, EmailNotConfirmed, InvalidCredentials, InvalidToken } from '../platform/errors.ts';
import type { RequestSource } from '../platform/request/index.ts';
import {
  type AnnouncedTransaction,
  type EndedSession,
  type KeyBinding,
  loadSubject,
  type Revocations,
  type SessionRecord,
  type SessionStore,
  type Subject,
  type TokenPair,
  type TokenPairs,
  type UnclaimedSessions,
} from '../sessions/index.ts';
import type { SIGN_IN_NOTICES } from './notices.ts';
import type { IssuedChallenge, PendingSignIn, SignInChallenges } from './sign-in-challenges.ts';

/** Proof of identity by a first factor. */
export interface AuthenticationProof {
  readonly userId: string;
  /** Authentication methods (RFC 8176). */
  readonly amr: readonly string[];
  /**
   * Locks the rows on which the proof depends, and tells whether the proof still holds. Runs in the transaction that
   * issues the session.
   */
  holds(tx: EntityManager): Promise<boolean>;
}

/** The outcome of a first factor. */
export type SignInOutcome =
  | { readonly kind: 'authenticated'; readonly pair: TokenPair }
  | { readonly kind: 'secondFactorRequired'; readonly challenge: IssuedChallenge };

/** The outcome of a sign-in that can name an account without proving it. */
export type LoginOutcome =
  | SignInOutcome
  | { readonly kind: 'accountLinkRequired'; readonly challenge: IssuedLinkChallenge };

/** The outcome of the transaction of a sign-in. Errors are thrown after it is committed. */
type Decision =
  | { kind: 'issued'; session: SessionRecord; subject: Subject; deviceMark: string }
  | { kind: 'wrongCode'; userId: string; amr: readonly string[]; factor: FactorKind }
  | { kind: 'refused' };
type FirstDecision = Decision | { kind: 'challenged'; challenge: IssuedChallenge };

/** Optional inputs beside the first factor. */
export interface SignInCompanions {
  readonly offered?: SecondFactorInput | null;
  /** The credentials that the error names when the second factor is wrong. By default, only the second factor. */
  readonly asked?: readonly Credential[] | undefined;
  readonly linkChallenge?: string | null;
}

/** The parts that `SignIn` uses. */
export interface SignInDependencies {
  readonly store: SessionStore;
  readonly unclaimed: UnclaimedSessions;
  readonly revocations: Revocations;
  readonly tokenPairs: TokenPairs;
  readonly secondFactors: SecondFactors;
  readonly challenges: SignInChallenges;
  readonly linkChallenges: LinkChallenges;
  readonly devices: KnownDevices;
  readonly notices: OwnerNotices<keyof typeof SIGN_IN_NOTICES>;
  readonly audit: AuditLog;
  readonly keyBinding: KeyBinding;
  readonly options: {
    readonly sessionTtlSeconds: number;
    readonly emailConfirmation: 'optional' | 'required';
  };
}

/**
 * The only place that issues sessions. Every sign-in begins and ends here, so that none can skip a rule. The rules are:
 * the account is active, the proof still holds, and the second factor was proved if the account has one. All rules are checked
 * under locks in the transaction that writes the session.
 */
export class SignIn {
  constructor(private readonly deps: SignInDependencies) {}

  /**
   * Continues a sign-in after its first factor.
   * @returns null when the account may not sign in, or the proof no longer holds.
   * @throws {EmailNotConfirmed} the proof is right, the address is not proved, and the operator requires that.
   * @throws {InvalidCredentials} the second factor is wrong. It is ignored for an account without one.
   * @throws {InvalidToken} the identity to link does not wait for this account, or no longer.
   * @throws {RateLimited} the account has no guesses at its second factor left.
   */
  async begin(
    em: EntityManager,
    proof: AuthenticationProof,
    source: RequestSource,
    { offered = null, asked, linkChallenge = null }: SignInCompanions = {},
  ): Promise<SignInOutcome | null> {
    const { userId, amr } = proof;
    // Checked before a guess or a challenge is used up.
    this.deps.keyBinding.keyOf(source);
    const guess = offered && (await this.deps.secondFactors.guess(em, { userId }, offered, source));
    const decision = await this.decide(em, source, async (tx): Promise<FirstDecision> => {
      const account = await lockActiveAccount(tx, userId);
      if (!account || !(await proof.holds(tx))) return { kind: 'refused' };
      this.requireProvedAddress(account);
      const link = linkChallenge === null ? null : await this.requireLink(tx, userId, linkChallenge);
      if (!account.secondFactor) return this.issue(tx, { userId, amr, link, aal: 1 }, source);
      if (!guess) {
        return { kind: 'challenged', challenge: await this.deps.challenges.issue(tx, { userId, amr, link }) };
      }
      if (!(await guess.consume(tx))) return { kind: 'wrongCode', userId, amr, factor: guess.kind };
      return this.issue(tx, { userId, amr: [...amr, guess.kind], link, aal: 2 }, source);
    });
    if (decision.kind === 'challenged') {
      return { kind: 'secondFactorRequired', challenge: decision.challenge };
    }
    const pair = await this.conclude(em, decision, source, asked);
    return pair && { kind: 'authenticated', pair };
  }

  /**
   * Completes a sign-in by its second step. After a wrong code the challenge allows another attempt, up to five.
   * @throws {InvalidToken} the challenge is unknown, expired or used, or a change of credentials voided it.
   * @throws {InvalidCredentials} the second factor is wrong.
   * @throws {RateLimited} the account has no guesses at its second factor left.
   */
  async complete(
    em: EntityManager,
    token: string,
    offered: SecondFactorInput,
    source: RequestSource,
  ): Promise<TokenPair> {
    this.deps.keyBinding.keyOf(source);
    const pending = await this.deps.challenges.attempt(em, token);
    const guess = pending && (await this.deps.secondFactors.guess(em, pending, offered, source));
    if (!guess) throw new InvalidToken('no such challenge');
    const { userId, amr, link } = pending;
    const decision = await this.decide(em, source, async (tx): Promise<Decision> => {
      const account = await lockActiveAccount(tx, userId);
      if (!account) return { kind: 'refused' };
      this.requireProvedAddress(account);
      if (!(await guess.consume(tx))) return { kind: 'wrongCode', userId, amr, factor: guess.kind };
      // Thrown inside the transaction, so that the right code stays unused.
      if (!(await this.deps.challenges.consume(tx, userId, token)))
        throw new InvalidToken('used or void meanwhile');
      return this.issue(tx, { userId, amr: [...amr, guess.kind], link, aal: 2 }, source);
    });
    const pair = await this.conclude(em, decision, source);
    if (!pair) throw new InvalidToken('the account is not active');
    return pair;
  }

  /**
   * Runs the transaction of a sign-in. If its outcome is unknown, no client has the tokens of the session, so it ends
   * in the background.
   */
  private async decide<Made extends FirstDecision>(
    em: EntityManager,
    source: RequestSource,
    work: (tx: AnnouncedTransaction) => Promise<Made>,
  ): Promise<Made> {
    let made: FirstDecision | undefined;
    try {
      return await this.deps.revocations.transactional(em, async (tx) => {
        const decision = await work(tx);
        made = decision;
        return decision;
      });
    } catch (error) {
      if (made?.kind === 'issued' && isOutcomeUnknown(error)) this.deps.unclaimed.end(made.session, source);
      throw error;
    }
  }

  private async issue(
    tx: AnnouncedTransaction,
    { userId, amr, link, aal }: PendingSignIn & { aal: 1 | 2 },
    source: RequestSource,
  ): Promise<Decision> {
    if (link && !(await this.deps.linkChallenges.consume(tx, userId, link, source))) throw linkRefused();
    const { session, displaced } = await this.deps.store.create(tx, {
      userId,
      amr,
      aal,
      userAgent: source.userAgent,
      ipAddress: source.clientIp,
      jkt: this.deps.keyBinding.keyOf(source),
      ttlSeconds: this.deps.options.sessionTtlSeconds,
    });
    await this.deps.audit.record(tx, source, {
      action: 'session.created',
      actorId: userId,
      subjectId: userId,
      details: { sessionId: session.id, amr },
    });
    await this.recordDisplaced(tx, displaced, source);
    const deviceMark = await this.deps.devices.remember(tx, userId, source);
    const subject = await loadSubject(tx, userId, session.id);
    return subject ? { kind: 'issued', session, subject, deviceMark } : { kind: 'refused' };
  }

  private async requireLink(tx: EntityManager, userId: string, token: string): Promise<Buffer> {
    const link = await this.deps.linkChallenges.look(tx, userId, token);
    if (!link) throw linkRefused();
    return link;
  }

  private async conclude(
    em: EntityManager,
    decision: Decision,
    source: RequestSource,
    asked?: readonly Credential[],
  ): Promise<TokenPair | null> {
    if (decision.kind === 'issued') {
      const { session, subject, deviceMark } = decision;
      return { ...(await this.deps.tokenPairs.issue(session, subject)), deviceMark };
    }
    if (decision.kind === 'refused') return null;
    const { userId, amr, factor } = decision;
    await em.transactional(async (tx) => {
      await this.deps.audit.record(tx, source, {
        action: 'login.failed',
        actorId: null,
        subjectId: userId,
        outcome: AuditOutcome.FAILURE,
        details: { factor },
      });
      if (amr.includes('pwd')) await this.deps.notices.tell(tx, userId, 'right-password-wrong-code', source);
    });
    throw new InvalidCredentials(asked ?? [CREDENTIAL_OF[factor]], 'wrong second factor');
  }

  /** Called only after a right proof: it would tell any other person that the account exists. */
  private requireProvedAddress({ addressProved }: LockedAccount): void {
    if (this.deps.options.emailConfirmation === 'required' && !addressProved) throw new EmailNotConfirmed();
  }

  /** Audits the oldest sessions, which the new one displaced because of the limit for one account. */
  private async recordDisplaced(
    tx: EntityManager,
    displaced: readonly EndedSession[],
    source: RequestSource,
  ): Promise<void> {
    for (const { id, userId } of displaced) {
      await this.deps.audit.record(tx, source, {
        action: 'session.displaced',
        actorId: userId,
        subjectId: userId,
        details: { sessionId: id },
      });
    }
  }
}

/** Thrown inside the transaction, so that the other proofs stay unused. */
const linkRefused = (): InvalidToken => new InvalidToken('no such link challenge for this account');
