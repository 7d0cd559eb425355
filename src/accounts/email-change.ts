import type { EntityManager } from '@mikro-orm/postgresql';
import { type OneTimeTokens, type TokenBinding, TokenPurpose } from '../one-time-tokens/index.ts';
import type { CurrentPasswordCheck } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { InvalidCredentials, InvalidToken, Unauthenticated } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import { type MailOutbox, mailboxKey } from '../platform/mail/index.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { Actor, CallerRequest, RequestSource } from '../platform/request/index.ts';
import { type EmailAddress, parseEmailAddress, parsePublicEmailAddress } from './email-address.ts';
import type { NewAddressMail, OldAddressMail } from './email-change-mails.ts';
import type { EmailOwnership } from './email-ownership.ts';
import { lockAccount } from './lock-account.ts';
import { pendingRegistrations } from './pending-registrations.ts';
import { registrationMarks } from './registration-marks.ts';
import { addressTaken } from './unique-conflicts.ts';
import { User } from './user.entity.ts';

export const EMAIL_CHANGE_RULES = {
  'changeEmail.account': { burst: 10, perSeconds: 3600, counts: 'account' },
  'changeEmail.recipient': { burst: 5, perSeconds: 3600, counts: 'mailbox of the new address' },
} as const;

/** The parts that `EmailChange` uses. */
export interface EmailChangeDependencies {
  readonly currentPasswordCheck: CurrentPasswordCheck;
  readonly tokens: OneTimeTokens;
  readonly emailOwnership: EmailOwnership;
  readonly mails: {
    readonly outbox: MailOutbox;
    readonly toNewAddress: NewAddressMail;
    readonly toOldAddress: OldAddressMail;
  };
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof EMAIL_CHANGE_RULES>;
  readonly options: {
    /** Refuses addresses of the local machine and network. */
    readonly publicEmailsOnly: boolean;
  };
}

/**
 * Moves an account to another e-mail address. A mailed link proves the new address. The old address stays in use until
 * then. It gets a notice at the request and at the change, each with a link that undoes the change
 * (recovery/email-change-undo.ts). An old address that was never proved gets no such link: it may belong to another
 * person, who must not find a stranger's account bound to it.
 */
export class EmailChange {
  constructor(private readonly deps: EmailChangeDependencies) {}

  /**
   * Requests the change for the owner. The answer does not tell whether the new address has an account.
   * @throws {BadUserInput} the text is not an address or is the account's own, or the password is missing.
   * @throws {InvalidCredentials} the password is wrong.
   */
  async request(
    request: CallerRequest,
    input: { newEmail: string; password: string | null | undefined },
  ): Promise<User> {
    const { em, caller, source } = request;
    const { userId } = caller;
    const proof = await this.deps.currentPasswordCheck.prove(request, input.password, 'account.email_change');
    const current = await em.findOne(User, { id: userId });
    const { newEmail } = readFields('', {
      newEmail: () => {
        const address = this.deps.options.publicEmailsOnly
          ? parsePublicEmailAddress(input.newEmail)
          : parseEmailAddress(input.newEmail);
        if (address.key === current?.emailKey)
          throw new InvalidValue('This is already the e-mail address of the account.');
        return address;
      },
    });
    await this.deps.rateLimiter.charge(
      ['changeEmail.account', userId],
      ['changeEmail.recipient', mailboxKey(newEmail.key)],
    );

    const user = await em.transactional(async (tx) => {
      const user = await lockAccount(tx, userId);
      if (
        !user ||
        user.deactivatedBy ||
        !(await this.deps.currentPasswordCheck.stillHolds(tx, caller, proof))
      )
        return null;
      await this.begin(tx, user, newEmail, { actorId: userId, source });
      return user;
    });
    if (!user) throw new InvalidCredentials(['password'], 'the account or its password changed meanwhile');
    return user;
  }

  /** Voids the link of a requested change. Succeeds also when no change was requested. */
  async cancel(request: CallerRequest): Promise<User> {
    const { em, caller, source } = request;
    const { userId } = caller;
    return em.transactional(async (tx) => {
      const user = await tx.findOne(User, { id: userId });
      if (!user) throw new Unauthenticated('the account is gone');
      if (await this.deps.tokens.void(tx, userId, [TokenPurpose.CHANGE_EMAIL])) {
        await this.deps.audit.record(tx, source, {
          action: 'account.email_change_cancelled',
          actorId: userId,
          subjectId: userId,
        });
      }
      return user;
    });
  }

  /** For many users, the new address that was requested and is not confirmed yet. */
  pendingAddresses(em: EntityManager, userIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.deps.tokens.addressesOf(em, userIds, TokenPurpose.CHANGE_EMAIL);
  }

  /**
   * Completes a change whose new address was proved. Voids the links that were mailed to the old address, except those
   * that undo.
   * @throws {InvalidToken} another account has the address by now, or the account is deactivated or deleted.
   */
  async complete(tx: EntityManager, binding: TokenBinding, source: RequestSource): Promise<User> {
    const { userId, address, addressKey } = binding;
    const user = await lockAccount(tx, userId);
    if (!user || user.deactivatedBy || (await this.deps.emailOwnership.isTaken(tx, addressKey, userId))) {
      throw new InvalidToken('the account is not active, or the address was taken meanwhile');
    }
    await this.move(tx, user, { email: address, key: addressKey }, { actorId: userId, source });
    return user;
  }

  /**
   * Requests a change for an administrator. The new address is proved by the same link, and the old one gets the same
   * notices, as when the owner changes it. If an unproved address took effect at once, the owner of its mailbox could
   * claim the account and remove its second factor (recovery/account-claim.ts). Runs in the transaction of the caller,
   * who has locked the account and reserved the address.
   * @throws {Conflict} the address is taken.
   */
  async requestByAdministrator(
    tx: EntityManager,
    user: User,
    newEmail: EmailAddress,
    by: Actor,
  ): Promise<void> {
    if (await this.deps.emailOwnership.isTaken(tx, newEmail.key, user.id)) throw addressTaken();
    await this.begin(tx, user, newEmail, by);
  }

  /**
   * Changes the address at once, because the administrator vouches for it. Links that were mailed before are void. The
   * old address can undo the change for 72 hours: otherwise an administrator could take an account over unseen. Two
   * exceptions hold when an administrator acts within 72 hours of an earlier change. The address that the earlier
   * change set gets no undo link. An account that returns to an earlier address keeps no undo links.
   * @throws {Conflict} the address is taken.
   */
  async moveByAdministrator(tx: EntityManager, user: User, newEmail: EmailAddress, by: Actor): Promise<void> {
    const { id: userId } = user;
    if (await this.deps.emailOwnership.isTaken(tx, newEmail.key, userId)) throw addressTaken();
    const earlier = await this.deps.tokens.boundAddresses(tx, userId, TokenPurpose.UNDO_EMAIL_CHANGE);
    await this.move(tx, user, newEmail, by);
    if (earlier.has(newEmail.key)) await this.deps.tokens.void(tx, userId, [TokenPurpose.UNDO_EMAIL_CHANGE]);
  }

  /**
   * Confirms the present address of the account, because an administrator vouches for it. Runs as `moveByAdministrator`
   * does.
   */
  async vouchFor(tx: EntityManager, user: User, { actorId, source }: Actor): Promise<void> {
    const { id: userId, emailKey } = user;
    const now = new Date();
    tx.assign(user, { emailConfirmedAt: now, updatedAt: now });
    await tx.flush();
    await this.deps.tokens.void(tx, userId, [TokenPurpose.CONFIRM_EMAIL]);
    await registrationMarks.remove(tx, userId);
    if (emailKey) await pendingRegistrations.dropOthers(tx, emailKey);
    await this.deps.audit.record(tx, source, {
      action: 'account.email_confirmed',
      actorId,
      subjectId: userId,
    });
  }

  /** Mails the link that changes the address, and tells the old address. */
  private async begin(
    tx: EntityManager,
    user: User,
    newEmail: EmailAddress,
    { actorId, source }: Actor,
  ): Promise<void> {
    const { id: userId } = user;
    const token = await this.deps.tokens.issue(tx, {
      purpose: TokenPurpose.CHANGE_EMAIL,
      userId,
      address: newEmail.email,
      addressKey: newEmail.key,
    });
    await this.deps.mails.outbox.put(tx, this.deps.mails.toNewAddress, {
      userId,
      address: newEmail.email,
      token,
    });
    await this.tellOldAddress(tx, user, newEmail.email, { done: false, actorId });
    await this.deps.audit.record(tx, source, {
      action: 'account.email_change_requested',
      actorId,
      subjectId: userId,
    });
  }

  private async move(
    tx: EntityManager,
    user: User,
    { email, key }: EmailAddress,
    { actorId, source }: Actor,
  ): Promise<void> {
    const { id: userId } = user;
    await this.tellOldAddress(tx, user, email, { done: true, actorId });
    const now = new Date();
    tx.assign(user, { email, emailKey: key, emailConfirmedAt: now, updatedAt: now });
    await tx.flush();
    await this.deps.tokens.void(tx, userId, [
      TokenPurpose.CONFIRM_EMAIL,
      TokenPurpose.CHANGE_EMAIL,
      TokenPurpose.RESET_PASSWORD,
    ]);
    await pendingRegistrations.dropOthers(tx, key);
    await this.deps.audit.record(tx, source, { action: 'account.email_changed', actorId, subjectId: userId });
  }

  private async tellOldAddress(
    tx: EntityManager,
    { id: userId, email, emailKey, emailConfirmedAt }: User,
    newAddress: string,
    { done, actorId }: { done: boolean; actorId: string },
  ): Promise<void> {
    if (!email || !emailKey) return;
    const byAdministrator = actorId !== userId;
    const undo = TokenPurpose.UNDO_EMAIL_CHANGE;
    const mayUndo =
      emailConfirmedAt !== null &&
      !(byAdministrator && (await this.deps.tokens.expiryOfOther(tx, userId, undo, emailKey)));
    const undoToken = mayUndo
      ? await this.deps.tokens.issue(tx, { purpose: undo, userId, address: email, addressKey: emailKey })
      : null;
    await this.deps.mails.outbox.put(tx, this.deps.mails.toOldAddress, {
      address: email,
      newAddress,
      undoToken,
      done,
      ...(byAdministrator && { byAdministrator }),
    });
  }
}
