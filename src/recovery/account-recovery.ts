import type { EntityManager } from '@mikro-orm/postgresql';
import { type Activation, lockAccount, parseEmailAddress } from '../accounts/index.ts';
import { DeactivatedBy, User } from '../accounts/user.entity.ts';
import type { KnownDevices } from '../devices/index.ts';
import type { LinkedIdentities } from '../identities/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import { type OneTimeTokens, type TokenBinding, TokenPurpose } from '../one-time-tokens/index.ts';
import type { Passwords, StoredPassword } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { InvalidToken } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import type { MailOutbox } from '../platform/mail/index.ts';
import { type RateLimiter, SCARCE } from '../platform/rate-limit/index.ts';
import { type RequestOrigin } from '../platform/request/index.ts';
import type { AnnouncedTransaction, Endings, SignOut } from '../sessions/index.ts';
import type { AccountClaim } from './account-claim.ts';
import type { RecoveryMail } from './recovery-mail.ts';

export const RECOVERY_RULES = {
  'recoverAccount.address': { burst: 20, perSeconds: 3600, wider: SCARCE },
  /**
   * The worker charges it for a mail that it sends. Other mails have other rules, so asking for those does not hold this one back.
   * A stranger who empties this one has had five links sent to the owner.
   */
  'recoverAccount.recipient': { burst: 5, perSeconds: 3600 },
  'resetPassword.address': { burst: 20, perSeconds: 900 },
} as const;

/** A reset voids every other way in that was on its way; an undo of a change of address stays good. */
const VOIDED = [TokenPurpose.CONFIRM_EMAIL, TokenPurpose.CHANGE_EMAIL, TokenPurpose.RESET_PASSWORD];

/** Owners who cannot get in set a new password by a mailed link. */
export class AccountRecovery {
  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly passwords: Passwords,
    private readonly endings: Endings,
    private readonly signOut: SignOut,
    private readonly activation: Activation,
    private readonly identities: LinkedIdentities,
    private readonly claim: AccountClaim,
    private readonly mails: { readonly outbox: MailOutbox; readonly recovery: RecoveryMail },
    private readonly devices: KnownDevices,
    private readonly notices: OwnerNotices,
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter<keyof typeof RECOVERY_RULES>,
  ) {}

  /** Costs and answers the same for every address; changes nothing but that a mail may go out. */
  async ask(em: EntityManager, address: string, origin: RequestOrigin): Promise<void> {
    const { email } = readFields('', { email: () => parseEmailAddress(address) });
    await this.rateLimiter.charge(['recoverAccount.address', origin.networks]);
    await em.transactional((tx) => this.mails.outbox.put(tx, this.mails.recovery, { address: email.email }));
  }

  /**
   * Sets a new password, ends every session, forgets every device and voids what else was mailed. Signs nobody in. That
   * the link arrived proves the address: for the first time, and the owner claims the account (account-claim.ts), or again,
   * and the second factor and linked identities stay as they are; the owner is told of those. An account that its owner
   * deactivated is active again.
   * @returns the mark that the device is to keep: an owner who came this way because strangers guess gets in from there.
   * @throws {InvalidToken} nothing was changed.
   * @throws {BadUserInput} it cannot be a new password; the token stays good.
   */
  async reset(em: EntityManager, token: string, password: string, origin: RequestOrigin): Promise<string> {
    await this.rateLimiter.charge(['resetPassword.address', origin.networks]);
    // Looked at before it is used up: a password that is refused shall not cost the token, nor a bad token a hash.
    const seen = await this.tokens.look(em, token, [TokenPurpose.RESET_PASSWORD]);
    const user = seen && (await em.findOne(User, { id: seen.userId }));
    if (!user) throw new InvalidToken('unknown, expired or used');
    const { newPassword } = readFields('', {
      newPassword: () =>
        this.passwords.parseNew(password, { username: user.username, email: user.email ?? undefined }),
    });
    const replacement = await this.passwords.hash(newPassword, { reserved: true });

    const deviceMark = await this.endings.transactional(em, async (tx) => {
      const account = await lockAccount(tx, user.id);
      if (!account) return null;
      const binding = await this.tokens.consume(tx, token, [TokenPurpose.RESET_PASSWORD]);
      return binding && this.apply(tx, account, binding, replacement, origin);
    });
    if (deviceMark === null) throw new InvalidToken('used meanwhile, or the account may not be used');
    return deviceMark;
  }

  private async apply(
    tx: AnnouncedTransaction,
    user: User,
    { userId, addressKey }: TokenBinding,
    replacement: StoredPassword,
    origin: RequestOrigin,
  ): Promise<string | null> {
    if (user.deactivatedBy === DeactivatedBy.ADMIN || user.emailKey !== addressKey) return null;
    const unproved = user.emailConfirmedAt === null && (await this.claim.isOpen(tx, userId));
    if (unproved) await this.claim.apply(tx, user, { addressKey, by: 'password-reset' }, origin);
    await this.passwords.set(tx, userId, replacement);
    tx.assign(user, { emailConfirmedAt: user.emailConfirmedAt ?? new Date() });
    await tx.flush();
    await this.activation.comeBack(tx, userId, origin);
    const ended = await this.signOut.allIn(tx, userId, origin);
    await this.endings.raiseEpoch(tx, userId);
    await this.tokens.void(tx, userId, VOIDED);
    const others = await this.identities.isAnyLinked(tx, userId);
    await this.notices.tell(tx, userId, others ? 'password-reset-identities-stay' : 'password-reset', origin);
    await this.audit.record(tx, origin, {
      action: 'password.reset',
      actorId: userId,
      subjectId: userId,
      details: { endedSessions: ended },
    });
    // Whoever knew the former password guesses at the new one as a stranger, and the owner hears of their success.
    await this.devices.forgetAll(tx, userId);
    return this.devices.expect(tx, userId, origin);
  }
}
