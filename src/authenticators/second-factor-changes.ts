import type { EntityManager } from '@mikro-orm/postgresql';
import { emailKey, lockActiveAccount, User } from '../accounts/index.ts';
import { guessRounds, inRound } from '../guesses/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import type { CurrentPasswordCheck } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { Conflict, InvalidCredentials, NotFound } from '../platform/errors.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { CallerRequest, RequestSource } from '../platform/request/index.ts';
import type {
  AnnouncedTransaction,
  Revocations,
  SecondFactorRequirement,
  SessionRenewal,
  SignOut,
} from '../sessions/index.ts';
import type { SECOND_FACTOR_NOTICES } from './notices.ts';
import type { RecoveryCodes } from './recovery-codes/recovery-codes.ts';
import { CREDENTIAL_OF, requireFactor, type SecondFactorInput } from './second-factor-input.ts';
import type { SecondFactors } from './second-factors.ts';

export const SECOND_FACTOR_CHANGE_RULES = {
  'regenerateRecoveryCodes.account': { burst: 10, perSeconds: 900, counts: 'account' },
} as const;

/** The proofs in the arguments of an operation, unchecked. */
export interface OfferedProofs {
  readonly password?: string | null | undefined;
  readonly securityCode?: string | null | undefined;
  readonly recoveryCode?: string | null | undefined;
}

/** The proof for a change of second factors. */
interface FactorProof {
  readonly factor: SecondFactorInput;
  /** Whether the proof, which was checked before the transaction, still holds in it. */
  readonly stillHolds: (tx: EntityManager) => Promise<boolean>;
}

/** The parts that `SecondFactorChanges` uses. */
export interface SecondFactorChangesDependencies {
  readonly secondFactors: SecondFactors;
  readonly recoveryCodes: RecoveryCodes;
  readonly currentPasswordCheck: CurrentPasswordCheck;
  readonly signOut: SignOut;
  readonly revocations: Revocations;
  readonly requirement: SecondFactorRequirement;
  readonly notices: OwnerNotices<keyof typeof SECOND_FACTOR_NOTICES>;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof SECOND_FACTOR_CHANGE_RULES>;
}

/** Changes the second factor of an account that has one. */
export class SecondFactorChanges {
  constructor(private readonly deps: SecondFactorChangesDependencies) {}

  /**
   * Removes the second factor. Renews the caller's session and ends all others. Sign-ins that wait for their second
   * step are void.
   * @throws {InvalidCredentials} password or code is wrong.
   * @throws {Conflict} the account has no second factor.
   */
  async disable(request: CallerRequest, offered: OfferedProofs, renewal: SessionRenewal): Promise<void> {
    const { caller, source } = request;
    const { userId } = caller;
    const factor = requireFactor('', offered);
    const proof = await this.deps.currentPasswordCheck.prove(request, offered.password, 'totp.disable');
    const stillHolds = (tx: EntityManager) => this.deps.currentPasswordCheck.stillHolds(tx, caller, proof);

    await this.withFactor(request, { factor, stillHolds }, async (tx) => {
      await this.deps.secondFactors.turnOff(tx, userId);
      const ended = await this.deps.signOut.othersIn(tx, caller, source);
      // An account whose role requires a second factor may now only enrol one. Its present access token must not
      // outlive that.
      if (this.deps.requirement.coversRoles(caller.roles)) await this.deps.revocations.raiseEpoch(tx, userId);
      await this.deps.notices.tell(tx, userId, 'factor-disabled', source);
      await this.deps.audit.record(tx, source, {
        action: 'totp.disabled',
        actorId: userId,
        subjectId: userId,
        details: { factor: factor.kind, endedSessions: ended },
      });
      await renewal.rotate(tx);
    });
  }

  /**
   * Replaces the recovery codes.
   * @returns the new codes; the previous ones are void.
   * @throws {InvalidCredentials} the code is wrong.
   * @throws {Conflict} the account has no second factor.
   */
  async regenerateRecoveryCodes(
    request: CallerRequest,
    offered: OfferedProofs,
    renewal: SessionRenewal,
  ): Promise<readonly string[]> {
    const { em, caller, source } = request;
    const { userId } = caller;
    const factor = requireFactor('', offered);
    const account = inRound(userId, await guessRounds.of(em, userId));
    await this.deps.rateLimiter.charge(['regenerateRecoveryCodes.account', account]);
    const noOtherProof = async () => true;
    return this.withFactor(request, { factor, stillHolds: noOtherProof }, async (tx) => {
      await this.deps.notices.tell(tx, userId, 'recovery-codes-replaced', source);
      await this.deps.audit.record(tx, source, {
        action: 'recovery_codes.regenerated',
        actorId: userId,
        subjectId: userId,
        details: { factor: factor.kind },
      });
      const codes = await this.deps.recoveryCodes.replace(tx, userId);
      await renewal.rotate(tx);
      return codes;
    });
  }

  /**
   * Removes the second factor on the command line, for an owner who lost app and recovery codes. The operator has
   * verified the owner by other means.
   * @returns the account and whether it had a second factor.
   * @throws {NotFound} no account has the address.
   */
  async removeByOperator(
    em: EntityManager,
    email: string,
    source: RequestSource,
  ): Promise<{ username: string; removed: boolean; endedSessions: number }> {
    const user = await em.findOne(User, { emailKey: emailKey(email) });
    if (!user) throw new NotFound('No account has this e-mail address.');
    const { id: userId, username } = user;
    const removal = await this.deps.revocations.transactional(em, (tx) =>
      this.removeIn(tx, userId, null, source),
    );
    return { username, removed: removal !== null, endedSessions: removal?.endedSessions ?? 0 };
  }

  /**
   * Removes every second factor and the recovery codes, ends every session and tells the owner. Runs in the transaction
   * of the caller, which has checked the permission.
   * @param actorId null for the command line
   * @returns null when the account has no second factor: nothing was changed.
   */
  async removeIn(
    tx: AnnouncedTransaction,
    userId: string,
    actorId: string | null,
    source: RequestSource,
  ): Promise<{ endedSessions: number } | null> {
    if (!(await this.deps.secondFactors.turnOff(tx, userId))) return null;
    const endedSessions = await this.deps.signOut.allIn(tx, userId, source, actorId);
    // Voids also the tokens of sessions that the store has lost.
    await this.deps.revocations.raiseEpoch(tx, userId);
    await this.deps.notices.tell(tx, userId, 'factor-removed', source);
    await this.deps.audit.record(tx, source, {
      action: 'second_factor.removed',
      actorId,
      subjectId: userId,
      details: { endedSessions },
    });
    return { endedSessions };
  }

  /** Runs the work in the transaction that consumes the code. */
  private async withFactor<T>(
    { em, caller, source }: CallerRequest,
    { factor, stillHolds }: FactorProof,
    work: (tx: AnnouncedTransaction) => Promise<T>,
  ): Promise<T> {
    const { userId } = caller;
    const guess = await this.deps.secondFactors.guess(em, caller, factor, source);
    if (!guess) throw new Conflict('The account has no second factor.');
    const done = await this.deps.revocations.transactional(em, async (tx) => {
      const account = await lockActiveAccount(tx, userId);
      if (!account?.secondFactor || !(await stillHolds(tx))) return null;
      return (await guess.consume(tx)) ? { result: await work(tx) } : null;
    });
    if (done) return done.result;
    await this.deps.secondFactors.recordWrong(em, userId, factor.kind, source);
    throw new InvalidCredentials(
      [CREDENTIAL_OF[factor.kind]],
      'wrong code, or the password was changed meanwhile',
    );
  }
}
