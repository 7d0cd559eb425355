import type { EntityManager } from '@mikro-orm/postgresql';
import { type OneTimeTokens, type TokenBinding, TokenPurpose } from '../one-time-tokens/index.ts';
import type { Passwords } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { violatedUniqueConstraint } from '../platform/database/index.ts';
import { InvalidToken } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import type { MailOutbox } from '../platform/mail/index.ts';
import { type RateLimiter, SCARCE } from '../platform/rate-limit/index.ts';
import { networksOf, type RequestOrigin } from '../platform/request/index.ts';
import type { AddressBook } from './address-book.ts';
import type { ConfirmationMail } from './confirmation-mails.ts';
import { parseEmailAddress } from './email-address.ts';
import type { EmailChange } from './email-change.ts';
import { pendingRegistrations } from './pending-registrations.ts';
import { User } from './user.entity.ts';

export const CONFIRMATION_RULES = {
  'confirmEmail.address': { burst: 60, perSeconds: 3600 },
  'resendEmailConfirmation.address': { burst: 20, perSeconds: 3600, wider: SCARCE },
  /** Charged by the worker for a mail that it sends. */
  'resendEmailConfirmation.recipient': { burst: 5, perSeconds: 3600 },
} as const;

/** People prove that an address is theirs. */
export class EmailConfirmation {
  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly addressBook: AddressBook,
    private readonly emailChange: EmailChange,
    private readonly passwords: Passwords,
    private readonly outbox: MailOutbox,
    private readonly mail: ConfirmationMail,
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter,
  ) {}

  /**
   * Uses a mailed token: confirms the address of an account, makes an account of a pending registration, or completes
   * a change of address. Whichever it is, the account comes back.
   * @throws {InvalidToken} nothing was changed.
   */
  async confirm(em: EntityManager, token: string, origin: RequestOrigin): Promise<User> {
    await this.rateLimiter.charge({ 'confirmEmail.address': networksOf(origin.clientAddress ?? '') });
    try {
      return await em.transactional(async (tx) => {
        const binding = await this.addressBook.consume(tx, token, [
          TokenPurpose.CONFIRM_EMAIL,
          TokenPurpose.CHANGE_EMAIL,
        ]);
        if (!binding) throw new InvalidToken('unknown, expired or used');
        if (binding.purpose === TokenPurpose.CHANGE_EMAIL) {
          return this.emailChange.complete(tx, binding, origin);
        }
        return (
          (await this.confirmAccount(tx, binding, origin)) ?? (await this.makeAccount(tx, binding, origin))
        );
      });
    } catch (error) {
      // Somebody else confirmed the same address a moment earlier.
      if (violatedUniqueConstraint(error) === 'users_email_key_unique') {
        throw new InvalidToken('the address was taken meanwhile');
      }
      throw error;
    }
  }

  /** Costs and answers the same for every address; whether a mail goes out is found out by the worker. */
  async resend(em: EntityManager, address: string, origin: RequestOrigin): Promise<void> {
    const { email } = readFields('', { email: () => parseEmailAddress(address) });
    await this.rateLimiter.charge({
      'resendEmailConfirmation.address': networksOf(origin.clientAddress ?? ''),
    });
    await em.transactional((tx) => this.outbox.put(tx, this.mail, { address: email.email }));
  }

  private async confirmAccount(
    tx: EntityManager,
    { userId, addressKey }: TokenBinding,
    origin: RequestOrigin,
  ): Promise<User | null> {
    const now = new Date();
    const confirmed = await tx.nativeUpdate(
      User,
      { id: userId, emailKey: addressKey },
      { emailConfirmedAt: now, updatedAt: now },
    );
    if (confirmed === 0) return null;
    await this.tokens.void(tx, userId, [TokenPurpose.CONFIRM_EMAIL]);
    await this.record(tx, userId, origin);
    await pendingRegistrations.dropOthers(tx, addressKey);
    return tx.findOneOrFail(User, { id: userId }, { refresh: true });
  }

  private async makeAccount(
    tx: EntityManager,
    { userId, addressKey }: TokenBinding,
    origin: RequestOrigin,
  ): Promise<User> {
    const pending = await pendingRegistrations.claim(tx, userId);
    if (!pending || (await this.addressBook.isTaken(tx, addressKey))) {
      throw new InvalidToken('the registration is gone, or its address was taken meanwhile');
    }
    const user = tx.create(User, {
      id: pending.id,
      username: pending.username,
      usernameKey: pending.usernameKey,
      email: pending.email,
      emailKey: pending.emailKey,
      emailConfirmedAt: new Date(),
      displayName: pending.displayName,
      createdAt: pending.createdAt,
    });
    await tx.persist(user).flush();
    await this.passwords.store(tx, user.id, { hash: pending.hash, pepperId: pending.pepperId });
    await pendingRegistrations.dropOthers(tx, addressKey);
    await this.audit.record(tx, origin, {
      action: 'account.registered',
      actorId: user.id,
      subjectId: user.id,
    });
    await this.record(tx, user.id, origin);
    return user;
  }

  private record(tx: EntityManager, userId: string, origin: RequestOrigin): Promise<void> {
    return this.audit.record(tx, origin, {
      action: 'account.email_confirmed',
      actorId: userId,
      subjectId: userId,
    });
  }
}
