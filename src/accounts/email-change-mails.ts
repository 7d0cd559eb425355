import type { EntityManager } from '@mikro-orm/postgresql';
import type { MailTemplates } from '../mail-templates/index.ts';
import type { Mail, MailWriter, RecipientRule } from '../platform/mail/index.ts';
import { parseEmailAddress } from './email-address.ts';
import type { EmailOwnership } from './email-ownership.ts';

/** To the new address, unless it belongs to another account by now. */
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
  /** Null where the address never proved itself, or the account came to it by a change that can be undone. */
  readonly undoToken: string | null;
  /** False when the change was asked for, true when it took effect. */
  readonly done: boolean;
  /** Absent: the owner asked for it. */
  readonly byAdministrator?: boolean;
}

/** To the old address, even when the account has ended meanwhile. */
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
