import {
  type AccountDeletion,
  type Activation,
  auditAccountAccess,
  DeactivatedBy,
  lockAccount,
} from '../accounts/index.ts';
import type { SecondFactorChanges, SecondFactors } from '../authenticators/index.ts';
import { guessRounds } from '../guesses/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { Conflict, NotFound } from '../platform/errors.ts';
import type { MailOutbox } from '../platform/mail/index.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { CallerRequest } from '../platform/request/index.ts';
import type { RecoveryMail } from '../recovery/index.ts';
import { keepSuperuser } from '../roles/index.ts';
import type { Revocations, SessionReference, SignOut } from '../sessions/index.ts';
import { refuseOneself, requireMayActOn } from './may-act-on.ts';
import { FactorPermission, SessionPermission, UserPermission } from './permissions.ts';

export const ADMINISTRATION_RULES = {
  /**
   * Unlocks of one account by one administrator. Each refills all guesses, so without this limit an administrator could
   * guess the password of an account without end.
   */
  'unlockUser.account': { burst: 10, perSeconds: 3600, counts: 'administrator and account that they unlock' },
  /**
   * Mails to one account by one administrator. They are not counted in `recoverAccount.recipient`, which strangers can
   * use up.
   */
  'sendPasswordReset.account': {
    burst: 5,
    perSeconds: 3600,
    counts: 'administrator and account whose owner gets the mail',
  },
} as const;

/** The parts that `UserAdministration` uses. */
export interface UserAdministrationDependencies {
  readonly activation: Activation;
  readonly deletion: AccountDeletion;
  readonly signOut: SignOut;
  readonly revocations: Revocations;
  readonly secondFactors: SecondFactors;
  readonly secondFactorChanges: SecondFactorChanges;
  readonly mails: { readonly outbox: MailOutbox; readonly recovery: RecoveryMail };
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof ADMINISTRATION_RULES>;
}

/**
 * Changes other people's accounts for administrators. An account with more permissions than the administrator's cannot
 * be changed.
 */
export class UserAdministration {
  constructor(private readonly deps: UserAdministrationDependencies) {}

  /**
   * Deactivates or activates an account. Deactivation voids its tokens, ends its sessions and lasts until an
   * administrator activates it again.
   * @throws {NotFound} @throws {Forbidden} @throws {Conflict} for the last active superuser.
   */
  async setActive(
    request: CallerRequest,
    { userId, active }: { userId: string; active: boolean },
  ): Promise<void> {
    const { em, caller, source } = request;
    await this.deps.revocations.transactional(em, async (tx) => {
      await requireMayActOn(tx, caller, userId, UserPermission.DEACTIVATE);
      const change = { userId, actorId: caller.userId };
      const changed = active
        ? await this.deps.activation.activate(tx, change, source)
        : await this.deps.activation.deactivate(tx, change, DeactivatedBy.ADMIN, source);
      // The reply shows the account in both cases.
      if (!changed) await auditAccountAccess(tx, this.deps.audit, change, source);
    });
  }

  /**
   * Ends every session of an account. For their own account, this includes the caller's session.
   * @returns the number of ended sessions. @throws {NotFound} @throws {Forbidden}
   */
  endSessions(request: CallerRequest, userId: string): Promise<number> {
    const { em, caller, source } = request;
    return this.deps.revocations.transactional(em, async (tx) => {
      await requireMayActOn(tx, caller, userId, SessionPermission.REVOKE);
      const ended = await this.deps.signOut.allIn(tx, userId, source, caller.userId);
      // Voids also the tokens of sessions that the store has lost.
      await this.deps.revocations.raiseEpoch(tx, userId);
      await this.deps.audit.record(tx, source, {
        action: 'account.sessions_ended',
        actorId: caller.userId,
        subjectId: userId,
        details: { sessions: ended },
      });
      return ended;
    });
  }

  /**
   * Ends one session of an account, which may be the caller's own.
   * @throws {NotFound} no such account, or it has no such session. @throws {Forbidden}
   */
  async endSession(request: CallerRequest, { userId, sessionId }: SessionReference): Promise<void> {
    const { em, caller, source } = request;
    const ended = await this.deps.revocations.transactional(em, async (tx) => {
      await requireMayActOn(tx, caller, userId, SessionPermission.REVOKE);
      return this.deps.signOut.oneIn(tx, { userId, sessionId }, source, caller.userId);
    });
    if (!ended) throw new NotFound();
  }

  /**
   * Deletes an account and all its personal data for good, and ends its sessions at once.
   * @throws {Conflict} the last active superuser. @throws {NotFound} @throws {Forbidden}
   * @throws {BadUserInput} the caller's own account: its owner deletes it with the password.
   */
  async delete(request: CallerRequest, userId: string): Promise<void> {
    const { em, caller, source } = request;
    await this.deps.revocations.transactional(em, async (tx) => {
      await requireMayActOn(tx, caller, userId, UserPermission.DELETE);
      // Checked first, so that the last superuser gets the same answer as from deleteAccount.
      await keepSuperuser(tx, userId);
      refuseOneself(caller, userId, 'userId', 'Use deleteAccount, which asks for your password.');
      await this.deps.deletion.byAdministrator(tx, userId, caller.userId, source);
    });
  }

  /**
   * Removes all second factors and recovery codes of an account whose owner lost them. Ends every session and tells the
   * owner. The reply shows the account, so it is audited as a read when there was nothing to remove.
   * @throws {BadUserInput} the caller's own account: its owner disables the factor with password and code.
   * @throws {NotFound} @throws {Forbidden}
   */
  async removeSecondFactor(request: CallerRequest, userId: string): Promise<void> {
    const { em, caller, source } = request;
    refuseOneself(caller, userId, 'userId', 'Use disableTotp, which asks for password and code.');
    await this.deps.revocations.transactional(em, async (tx) => {
      await requireMayActOn(tx, caller, userId, FactorPermission.REMOVE);
      const actorId = caller.userId;
      const removed = await this.deps.secondFactorChanges.removeIn(tx, userId, actorId, source);
      if (!removed) await auditAccountAccess(tx, this.deps.audit, { actorId, userId }, source);
    });
  }

  /**
   * Mails the owner a link to set a new password, as recoverAccount does. Nothing changes until the link is used.
   * @throws {Conflict} the account has no e-mail address, or an administrator deactivated it.
   * @throws {NotFound} @throws {Forbidden} @throws {RateLimited}
   */
  async sendPasswordReset(request: CallerRequest, userId: string): Promise<void> {
    const { em, caller, source } = request;
    await this.deps.rateLimiter.charge(['sendPasswordReset.account', `${caller.userId} ${userId}`]);
    await em.transactional(async (tx) => {
      await requireMayActOn(tx, caller, userId, UserPermission.UNLOCK);
      const user = await lockAccount(tx, userId);
      if (!user?.email) throw new Conflict('This account has no e-mail address. Set one with updateUser.');
      if (user.deactivatedBy === DeactivatedBy.ADMIN) {
        throw new Conflict(
          'An administrator deactivated this account. Activate it with setUserActive first.',
        );
      }
      await this.deps.mails.outbox.put(tx, this.deps.mails.recovery, {
        address: user.email,
        sentBy: 'administrator',
      });
      await this.deps.audit.record(tx, source, {
        action: 'account.password_reset_sent',
        actorId: caller.userId,
        subjectId: userId,
      });
    });
  }

  /**
   * Refills every bucket of guesses at the account, in every process: by username, by address, of its sessions, of its
   * known devices and of its second factor. Limits per network stay as they are.
   * @throws {BadUserInput} the caller's own account: a thief with a copied session could guess without end.
   * @throws {NotFound} @throws {Forbidden} @throws {RateLimited}
   */
  async unlock(request: CallerRequest, userId: string): Promise<void> {
    const { em, caller, source } = request;
    refuseOneself(caller, userId, 'userId', 'Ask another administrator to unlock it.');
    await this.deps.rateLimiter.charge(['unlockUser.account', `${caller.userId} ${userId}`]);
    await em.transactional(async (tx) => {
      await requireMayActOn(tx, caller, userId, UserPermission.UNLOCK);
      await guessRounds.beginNext(tx, userId);
      await this.deps.secondFactors.refillGuesses(tx, userId);
      await this.deps.audit.record(tx, source, {
        action: 'account.unlocked',
        actorId: caller.userId,
        subjectId: userId,
      });
    });
  }
}
