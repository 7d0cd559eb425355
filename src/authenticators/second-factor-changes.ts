import type { EntityManager } from '@mikro-orm/postgresql';
import { emailKey, lockActiveAccount, User } from '../accounts/index.ts';
import { guessRounds, inRound } from '../guesses/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import type { CurrentPasswordCheck } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { Conflict, InvalidCredentials, NotFound } from '../platform/errors.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { Caller, RequestSource } from '../platform/request/index.ts';
import type {
  AnnouncedTransaction,
  Revocations,
  SecondFactorRequirement,
  SessionRenewal,
  SignOut,
} from '../sessions/index.ts';
import type { RecoveryCodes } from './recovery-codes/recovery-codes.ts';
import { CREDENTIAL_OF, requireFactor, type SecondFactorInput } from './second-factor-input.ts';
import type { SecondFactors } from './second-factors.ts';

export const SECOND_FACTOR_CHANGE_RULES = {
  'regenerateRecoveryCodes.account': { burst: 10, perSeconds: 900 },
} as const;

/** What the arguments of an operation offer, unchecked. */
export interface OfferedProofs {
  readonly password?: string | null | undefined;
  readonly securityCode?: string | null | undefined;
  readonly recoveryCode?: string | null | undefined;
}

/** What a change of second factors is proved with. */
interface FactorProof {
  readonly caller: Caller;
  readonly factor: SecondFactorInput;
  /** Whether what was proved before the transaction holds in it. */
  readonly stillHolds: (tx: EntityManager) => Promise<boolean>;
}

/** What `SecondFactorChanges` works with. */
export interface SecondFactorChangesDependencies {
  readonly secondFactors: SecondFactors;
  readonly recoveryCodes: RecoveryCodes;
  readonly currentPasswordCheck: CurrentPasswordCheck;
  readonly signOut: SignOut;
  readonly revocations: Revocations;
  readonly requirement: SecondFactorRequirement;
  readonly notices: OwnerNotices;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof SECOND_FACTOR_CHANGE_RULES>;
}

/** Changes to a second factor that is on. */
export class SecondFactorChanges {
  constructor(private readonly deps: SecondFactorChangesDependencies) {}

  /**
   * Ends every session but the caller's, which is renewed; sign-ins that wait for their second step are void.
   * @throws {InvalidCredentials} password or code is wrong.
   * @throws {Conflict} the account has no second factor.
   */
  async disable(
    em: EntityManager,
    caller: Caller,
    offered: OfferedProofs,
    source: RequestSource,
    renewal: SessionRenewal,
  ): Promise<void> {
    const { userId } = caller;
    const factor = requireFactor('', offered);
    const proof = await this.deps.currentPasswordCheck.prove(
      em,
      caller,
      offered.password,
      'totp.disable',
      source,
    );
    const stillHolds = (tx: EntityManager) => this.deps.currentPasswordCheck.stillHolds(tx, caller, proof);

    await this.withFactor(em, source, { caller, factor, stillHolds }, async (tx) => {
      await this.deps.secondFactors.turnOff(tx, userId);
      const ended = await this.deps.signOut.othersIn(tx, caller, source);
      // Whoever must have one may do nothing else from now on: the token at hand must not outlive that.
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
   * @returns the new recovery codes; the former ones are void.
   * @throws {InvalidCredentials} the code is wrong.
   * @throws {Conflict} the account has no second factor.
   */
  async regenerateRecoveryCodes(
    em: EntityManager,
    caller: Caller,
    offered: OfferedProofs,
    source: RequestSource,
    renewal: SessionRenewal,
  ): Promise<readonly string[]> {
    const { userId } = caller;
    const factor = requireFactor('', offered);
    const account = inRound(userId, await guessRounds.of(em, userId));
    await this.deps.rateLimiter.charge(['regenerateRecoveryCodes.account', account]);
    const nothingMore = async () => true;
    return this.withFactor(em, source, { caller, factor, stillHolds: nothingMore }, async (tx) => {
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
   * For the command line: an owner who lost app and recovery codes proved to an operator by other means who they are.
   * @returns the account and whether it had a second factor.
   * @throws {NotFound} no account has the address.
   */
  async removeByOperator(
    em: EntityManager,
    email: string,
    source: RequestSource,
  ): Promise<{ username: string; removed: boolean; endedSessions: number }> {
    const user = await em.findOne(User, { emailKey: emailKey(email) });
    if (!user) throw new NotFound('No account has this address.');
    const { id: userId, username } = user;
    const removal = await this.deps.revocations.transactional(em, (tx) =>
      this.removeIn(tx, userId, null, source),
    );
    return { username, removed: removal !== null, endedSessions: removal?.endedSessions ?? 0 };
  }

  /**
   * Removes every second factor with the recovery codes, ends every session and tells the owner. In the transaction of the
   * caller, which has judged who may do it.
   * @param actorId null for the command line
   * @returns null where the account has no second factor: nothing was changed.
   */
  async removeIn(
    tx: AnnouncedTransaction,
    userId: string,
    actorId: string | null,
    source: RequestSource,
  ): Promise<{ endedSessions: number } | null> {
    if (!(await this.deps.secondFactors.turnOff(tx, userId))) return null;
    const endedSessions = await this.deps.signOut.allIn(tx, userId, source, actorId);
    // Also the tokens of sessions that the store has lost.
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

  /** Does the work in the transaction that uses the code up. */
  private async withFactor<T>(
    em: EntityManager,
    source: RequestSource,
    { caller: { userId, sessionId }, factor, stillHolds }: FactorProof,
    work: (tx: AnnouncedTransaction) => Promise<T>,
  ): Promise<T> {
    const guess = await this.deps.secondFactors.guess(em, userId, factor, source, { sessionId });
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
