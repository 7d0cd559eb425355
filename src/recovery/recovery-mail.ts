import type { EntityManager } from '@mikro-orm/postgresql';
import { emailKey, lockAccountByAddress } from '../accounts/index.ts';
import { DeactivatedBy } from '../accounts/user.entity.ts';
import type { MailTemplates } from '../mail-templates/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { Mail, MailWriter, RecipientRule } from '../platform/mail/index.ts';

interface RecoveryFacts {
  readonly address: string;
  /** It follows the undo of a change of address, by a mailed link; otherwise anybody may have asked for it. */
  readonly undoes?: true;
  /** An administrator asked for it, or made the account without a password. Absent: the owner asked, or a stranger. */
  readonly sentBy?: 'administrator' | 'creation';
}

/**
 * Seconds for which the link of an administrator is good: its reader does not wait for it, as somebody does who has just
 * asked. NIST SP 800-63B-4 section 4.2.1.2 allows recovery codes by mail 24 hours.
 */
const LIFETIME_OF_SENT = 24 * 3600;

/** To an owner who cannot get in. An account that an administrator deactivated is not brought back by mail. */
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
      ...(sentBy !== undefined && { lifetimeSeconds: LIFETIME_OF_SENT }),
    });
    if (sentBy === 'creation') return this.mailTemplates.accountCreated(user.email, user.username, token);
    return this.mailTemplates.resetPassword(user.email, token, {
      byAdministrator: sentBy === 'administrator',
    });
  }

  /**
   * The mail after an undo is the only way in that is left, and an administrator's was charged already
   * (`sendPasswordReset.account`): strangers who ask for others must not hold either back.
   */
  limits({ undoes, sentBy }: RecoveryFacts): readonly RecipientRule[] {
    return undoes || sentBy !== undefined ? [] : ['recoverAccount.recipient'];
  }
}
