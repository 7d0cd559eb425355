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
import { type RequestSource } from '../platform/request/index.ts';
import type { AnnouncedTransaction, Revocations, SignOut } from '../sessions/index.ts';
import type { AccountClaim } from './account-claim.ts';
import type { RECOVERY_NOTICES } from './notices.ts';
import type { RecoveryMail } from './recovery-mail.ts';

export const RECOVERY_RULES = {
  'recoverAccount.ip': { burst: 20, perSeconds: 3600, wider: SCARCE, counts: 'IP' },
  /**
   * The worker charges it for each mail that it sends. Other mails have other rules, so requests for those cannot
   * suppress this one. Before a stranger can use this limit up, the owner has got five links.
   */
  'recoverAccount.recipient': {
    burst: 5,
    perSeconds: 3600,
    counts: 'mailbox, for each mail, separately from other mails; further mails are not sent',
  },
  'resetPassword.ip': { burst: 20, perSeconds: 900, counts: 'IP' },
} as const;

/** A reset voids all other links that were mailed. An undo of a change of address stays valid. */
const VOIDED = [TokenPurpose.CONFIRM_EMAIL, TokenPurpose.CHANGE_EMAIL, TokenPurpose.RESET_PASSWORD];

/** The parts that `AccountRecovery` uses. */
export interface AccountRecoveryDependencies {
  readonly tokens: OneTimeTokens;
  readonly passwords: Passwords;
  readonly revocations: Revocations;
  readonly signOut: SignOut;
  readonly activation: Activation;
  readonly identities: LinkedIdentities;
  readonly claim: AccountClaim;
  readonly mails: { readonly outbox: MailOutbox; readonly recovery: RecoveryMail };
  readonly devices: KnownDevices;
  readonly notices: OwnerNotices<keyof typeof RECOVERY_NOTICES>;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof RECOVERY_RULES>;
}

/** Sets a new password by a mailed link, for owners who cannot sign in. */
export class AccountRecovery {
  constructor(private readonly deps: AccountRecoveryDependencies) {}

  /**
   * Requests a mail. Cost and answer are the same for every address. It changes nothing, except that a mail may be
   * sent.
   */
  async ask(em: EntityManager, address: string, source: RequestSource): Promise<void> {
    const { email } = readFields('', { email: () => parseEmailAddress(address) });
    await this.deps.rateLimiter.charge(['recoverAccount.ip', source.networks]);
    await em.transactional((tx) =>
      this.deps.mails.outbox.put(tx, this.deps.mails.recovery, { address: email.email }),
    );
  }

  /**
   * Sets a new password, ends every session, forgets every device and voids all other mailed links. It does not sign
   * in.
   *
   * The link proves the address. If this is the first proof, the owner claims the account (account-claim.ts). Otherwise
   * the second factor and linked identities stay, and the owner is told about them. An account that its owner
   * deactivated becomes active again.
   * @returns the mark for the cookie of this device. An owner who resets because strangers guess can then sign in from
   *   it.
   * @throws {InvalidToken} nothing was changed.
   * @throws {BadUserInput} the text cannot be a new password; the token stays valid.
   */
  async reset(em: EntityManager, token: string, password: string, source: RequestSource): Promise<string> {
    await this.deps.rateLimiter.charge(['resetPassword.ip', source.networks]);
    // Checked before it is consumed: a refused password must not cost the token, and a wrong token must not cost a
    // hash.
    const seen = await this.deps.tokens.look(em, token, [TokenPurpose.RESET_PASSWORD]);
    const user = seen && (await em.findOne(User, { id: seen.userId }));
    if (!user) throw new InvalidToken('unknown, expired or used');
    const { newPassword } = readFields('', {
      newPassword: () =>
        this.deps.passwords.parseNew(password, { username: user.username, email: user.email ?? undefined }),
    });
    const replacement = await this.deps.passwords.hash(newPassword, { reserved: true });

    const deviceMark = await this.deps.revocations.transactional(em, async (tx) => {
      const account = await lockAccount(tx, user.id);
      if (!account) return null;
      const binding = await this.deps.tokens.consume(tx, token, [TokenPurpose.RESET_PASSWORD]);
      return binding && this.apply(tx, account, { ...binding, replacement }, source);
    });
    if (deviceMark === null) throw new InvalidToken('used meanwhile, or the account may not be used');
    return deviceMark;
  }

  private async apply(
    tx: AnnouncedTransaction,
    user: User,
    { userId, addressKey, replacement }: TokenBinding & { readonly replacement: StoredPassword },
    source: RequestSource,
  ): Promise<string | null> {
    if (user.deactivatedBy === DeactivatedBy.ADMIN || user.emailKey !== addressKey) return null;
    const unproved = user.emailConfirmedAt === null && (await this.deps.claim.isOpen(tx, userId));
    if (unproved) await this.deps.claim.apply(tx, user, { addressKey, by: 'password-reset' }, source);
    await this.deps.passwords.set(tx, userId, replacement);
    tx.assign(user, { emailConfirmedAt: user.emailConfirmedAt ?? new Date() });
    await tx.flush();
    await this.deps.activation.comeBack(tx, userId, source);
    const ended = await this.deps.signOut.allIn(tx, userId, source);
    await this.deps.revocations.raiseEpoch(tx, userId);
    await this.deps.tokens.void(tx, userId, VOIDED);
    const others = await this.deps.identities.isAnyLinked(tx, userId);
    await this.deps.notices.tell(
      tx,
      userId,
      others ? 'password-reset-identities-stay' : 'password-reset',
      source,
    );
    await this.deps.audit.record(tx, source, {
      action: 'password.reset',
      actorId: userId,
      subjectId: userId,
      details: { endedSessions: ended },
    });
    // A person who knew the previous password is then limited as a stranger, and the owner is told if they get in.
    await this.deps.devices.forgetAll(tx, userId);
    return this.deps.devices.expect(tx, userId, source);
  }
}
