import type { EntityManager } from '@mikro-orm/postgresql';
import type { Letters } from '../letters/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { Mail, MailWriter, RecipientRule } from '../platform/mail/index.ts';
import type { AddressBook } from './address-book.ts';
import { emailKey } from './email-address.ts';
import { lockAccountByAddress } from './lock-account.ts';
import type { PendingRegistration } from './pending-registration.entity.ts';
import { pendingRegistrations } from './pending-registrations.ts';

interface ConfirmationFacts {
  readonly address: string;
  /** Part of a registration, which has a limit of its own; otherwise it was asked for again. */
  readonly registers?: true;
}

/** To whoever has to prove an address: an account that has not yet, or the newest registration that waits for it. */
export class ConfirmationMail implements MailWriter<ConfirmationFacts> {
  readonly kind = 'email-confirmation';

  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly letters: Letters,
    private readonly registration: RegistrationMail,
  ) {}

  async write(tx: EntityManager, { address }: ConfirmationFacts): Promise<Mail | null> {
    const user = await lockAccountByAddress(tx, emailKey(address));
    if (!user) {
      const pending = await pendingRegistrations.findByIdentifier(tx, address);
      return pending && this.registration.writeTo(tx, pending);
    }
    if (!user.email || !user.emailKey || user.emailConfirmedAt) return null;
    const token = await this.tokens.issue(tx, {
      purpose: TokenPurpose.CONFIRM_EMAIL,
      userId: user.id,
      address: user.email,
      addressKey: user.emailKey,
    });
    return this.letters.confirmEmail(user.email, token);
  }

  limits({ registers }: ConfirmationFacts): readonly RecipientRule[] {
    return registers ? ['mail.recipient'] : ['resendEmailConfirmation.recipient', 'mail.recipient'];
  }
}

/** To the address of a pending registration: the link that makes it an account, or word that there is one already. */
export class RegistrationMail implements MailWriter<{ registrationId: string }> {
  readonly kind = 'registration';

  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly letters: Letters,
    private readonly addressBook: AddressBook,
  ) {}

  async write(tx: EntityManager, { registrationId }: { registrationId: string }): Promise<Mail | null> {
    const pending = await pendingRegistrations.find(tx, registrationId);
    return pending && this.writeTo(tx, pending);
  }

  limits(): readonly RecipientRule[] {
    return ['mail.recipient'];
  }

  async writeTo(tx: EntityManager, { id, email, emailKey }: PendingRegistration): Promise<Mail> {
    if (await this.addressBook.isTaken(tx, emailKey)) return this.letters.addressTaken(email);
    const token = await this.tokens.issue(tx, {
      purpose: TokenPurpose.CONFIRM_EMAIL,
      userId: id,
      address: email,
      addressKey: emailKey,
    });
    return this.letters.confirmEmail(email, token);
  }
}
