import type { EntityManager } from '@mikro-orm/postgresql';
import type { MailTemplates } from '../mail-templates/index.ts';
import type { Mail, MailWriter, RecipientRule } from '../platform/mail/index.ts';
import { parseEmailAddress } from './email-address.ts';
import type { EmailOwnership } from './email-ownership.ts';

/** Mails the confirmation link to the new address, unless another account has that address by now. */
export class NewAddressMail implements MailWriter<{ userId: string; address: string; token: string }> {
  readonly kind = 'email-change';

  constructor(
    private readonly mailTemplates: MailTemplates,
    private readonly emailOwnership: EmailOwnership,
  ) {}

  async write(
    tx: EntityManager,
    { userId, address, token }: { userId: string; address: string; token: string },
  ): Promise<Mail | null> {
    const { key } = parseEmailAddress(address);
    if (await this.emailOwnership.isTaken(tx, key, userId)) return null;
    return this.mailTemplates.confirmNewEmail(address, token);
  }

  limits(): readonly RecipientRule[] {
    return ['mail.recipient'];
  }
}

interface OldAddressFacts {
  readonly address: string;
  readonly newAddress: string;
  /** Null when the address was never proved, or when the account got it by a change that can still be undone. */
  readonly undoToken: string | null;
  /** False when the change was requested, true when it took effect. */
  readonly done: boolean;
  /** Absent when the owner requested it. */
  readonly byAdministrator?: boolean;
}

/** Tells the old address about the change, even when the account was deleted meanwhile. */
export class OldAddressMail implements MailWriter<OldAddressFacts> {
  readonly kind = 'email-change-notice';

  constructor(private readonly mailTemplates: MailTemplates) {}

  async write(
    _tx: EntityManager,
    { address, newAddress, undoToken, done, byAdministrator }: OldAddressFacts,
  ): Promise<Mail> {
    if (byAdministrator) {
      return this.mailTemplates.emailChangedByAdministrator(address, newAddress, undoToken, { done });
    }
    return done
      ? this.mailTemplates.emailChanged(address, newAddress, undoToken)
      : this.mailTemplates.emailChangeRequested(address, newAddress, undoToken);
  }
}
