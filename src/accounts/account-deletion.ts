import type { EntityManager } from '@mikro-orm/postgresql';
import type { MailTemplates } from '../mail-templates/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { CurrentPasswordCheck } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { Conflict, InvalidCredentials, NotFound } from '../platform/errors.ts';
import type { Mail, MailOutbox, MailWriter } from '../platform/mail/index.ts';
import type { PersonalData } from '../platform/personal-data.ts';
import type { CallerRequest, RequestSource } from '../platform/request/index.ts';
import type { AnnouncedTransaction, Revocations, SignOut } from '../sessions/index.ts';
import type { RemovalGuard } from './activation.ts';
import { lockAccount } from './lock-account.ts';
import { pendingRegistrations } from './pending-registrations.ts';
import type { User } from './user.entity.ts';

/** The parts that `AccountDeletion` uses. */
export interface AccountDeletionDependencies {
  readonly currentPasswordCheck: CurrentPasswordCheck;
  readonly removalGuard: RemovalGuard;
  readonly tokens: OneTimeTokens;
  readonly revocations: Revocations;
  readonly signOut: SignOut;
  readonly personalData: readonly PersonalData[];
  readonly mails: { readonly outbox: MailOutbox; readonly farewell: FarewellMail };
  readonly audit: AuditLog;
}

/**
 * Deletes accounts. Foreign keys and `PersonalData.erase` (`personal-data.ts` of each capability) remove all other data
 * about the person together with the row. The audit trail keeps only the id.
 */
export class AccountDeletion {
  constructor(private readonly deps: AccountDeletionDependencies) {}

  /**
   * Deletes the account of the caller.
   * @throws {InvalidCredentials} wrong password.
   * @throws {Conflict} the last active superuser; or a change of address can still be undone. Otherwise a thief could
   *   destroy an account that its owner can still recover.
   */
  async delete(request: CallerRequest, password: string | null | undefined): Promise<void> {
    const { em, caller, source } = request;
    const { userId } = caller;
    const proof = await this.deps.currentPasswordCheck.prove(request, password, 'account.deletion');
    const deleted = await this.deps.revocations.transactional(em, async (tx) => {
      await this.deps.removalGuard(tx, userId);
      const user = await lockAccount(tx, userId);
      if (!user || !(await this.deps.currentPasswordCheck.stillHolds(tx, caller, proof))) return false;
      await this.refuseWhileUndoable(tx, userId, user.emailKey);
      await this.erase(tx, user, userId, source);
      return true;
    });
    if (!deleted) throw new InvalidCredentials(['password'], 'the account or its password changed meanwhile');
  }

  /**
   * Deletes an account for an administrator, and erases the same data as `delete`. Runs in the transaction of the
   * caller, which has checked the permission. A change of address that can still be undone does not delay it: a person
   * who asks for erasure need not wait.
   * @throws {NotFound} no such account. @throws {Conflict} the last active superuser.
   */
  async byAdministrator(
    tx: AnnouncedTransaction,
    userId: string,
    actorId: string,
    source: RequestSource,
  ): Promise<void> {
    await this.deps.removalGuard(tx, userId);
    const user = await lockAccount(tx, userId);
    if (!user) throw new NotFound();
    await this.erase(tx, user, actorId, source);
  }

  /** Erases an account that the caller has locked. */
  private async erase(
    tx: AnnouncedTransaction,
    user: User,
    actorId: string,
    source: RequestSource,
  ): Promise<void> {
    const { id: userId, email, emailKey } = user;
    await this.deps.signOut.allIn(tx, userId, source, actorId);
    await this.deps.revocations.raiseEpoch(tx, userId);
    for (const part of this.deps.personalData) await part.erase?.(tx, userId);
    if (email && emailKey) {
      await pendingRegistrations.dropOthers(tx, emailKey);
      await this.deps.mails.outbox.put(tx, this.deps.mails.farewell, { address: email });
    }
    await tx.remove(user).flush();
    await this.deps.audit.record(tx, source, { action: 'account.deleted', actorId, subjectId: userId });
  }

  private async refuseWhileUndoable(
    tx: EntityManager,
    userId: string,
    addressKey: string | null,
  ): Promise<void> {
    const undoable = await this.deps.tokens.expiryOfOther(
      tx,
      userId,
      TokenPurpose.UNDO_EMAIL_CHANGE,
      addressKey,
    );
    if (!undoable) return;
    throw new Conflict(
      `The e-mail address of this account was changed. The change can be undone until ${undoable.toISOString()}. Delete the account after that.`,
    );
  }
}

/** The last mail that an account gets. */
export class FarewellMail implements MailWriter<{ address: string }> {
  readonly kind = 'account-deleted';

  constructor(private readonly mailTemplates: MailTemplates) {}

  async write(_tx: EntityManager, { address }: { address: string }): Promise<Mail> {
    return this.mailTemplates.accountDeleted(address);
  }
}
