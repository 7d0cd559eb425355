import type { EntityManager } from '@mikro-orm/postgresql';
import { emailKey, lockAccountByAddress } from '../accounts/index.ts';
import { DeactivatedBy } from '../accounts/user.entity.ts';
import type { MailTemplates } from '../mail-templates/index.ts';
import {
  LIFETIME_OF_ADMINISTRATOR_LINK,
  type OneTimeTokens,
  TokenPurpose,
} from '../one-time-tokens/index.ts';
import type { Mail, MailWriter, RecipientRule } from '../platform/mail/index.ts';

interface RecoveryFacts {
  readonly address: string;
  /** Set for the mail after an undo of a change of address. Otherwise any person may have requested it. */
  readonly undoes?: true;
  /**
   * Set when an administrator sent the mail or created the account without a password. Absent when the owner, or a
   * stranger, requested it.
   */
  readonly sentBy?: 'administrator' | 'creation';
}

/** Mails a link to an owner who cannot sign in. An account that an administrator deactivated gets none. */
export class RecoveryMail implements MailWriter<RecoveryFacts> {
  readonly kind = 'account-recovery';

  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly mailTemplates: MailTemplates,
  ) {}

  async write(tx: EntityManager, { address, sentBy }: RecoveryFacts): Promise<Mail | null> {
    const user = await lockAccountByAddress(tx, emailKey(address));
    if (!user?.email || !user.emailKey || user.deactivatedBy === DeactivatedBy.ADMIN) return null;
    const token = await this.tokens.issue(tx, {
      purpose: TokenPurpose.RESET_PASSWORD,
      userId: user.id,
      address: user.email,
      addressKey: user.emailKey,
      ...(sentBy !== undefined && { lifetimeSeconds: LIFETIME_OF_ADMINISTRATOR_LINK }),
    });
    if (sentBy === 'creation') return this.mailTemplates.accountCreated(user.email, user.username, token);
    return this.mailTemplates.resetPassword(user.email, token, {
      byAdministrator: sentBy === 'administrator',
    });
  }

  /**
   * The mail after an undo is the only way left to sign in, and an administrator's mail was charged already
   * (`sendPasswordReset.account`). Strangers who request other mails must not suppress these two.
   */
  limits({ undoes, sentBy }: RecoveryFacts): readonly RecipientRule[] {
    return undoes || sentBy !== undefined ? [] : ['recoverAccount.recipient'];
  }
}
