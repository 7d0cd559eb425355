import type { EntityManager } from '@mikro-orm/postgresql';
import { emailKey, lockAccountByAddress } from '../accounts/index.ts';
import { DeactivatedBy } from '../accounts/user.entity.ts';
import type { Letters } from '../letters/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { Mail, MailWriter, RecipientRule } from '../platform/mail/index.ts';

interface RecoveryFacts {
  readonly address: string;
  /** It follows the undo of a change of address, by a mailed link; otherwise anybody may have asked for it. */
  readonly undoes?: true;
}

/** To an owner who cannot get in. An account that an administrator deactivated is not brought back by mail. */
export class RecoveryMail implements MailWriter<RecoveryFacts> {
  readonly kind = 'account-recovery';

  constructor(
    private readonly tokens: OneTimeTokens,
    private readonly letters: Letters,
  ) {}

  async write(tx: EntityManager, { address }: RecoveryFacts): Promise<Mail | null> {
    const user = await lockAccountByAddress(tx, emailKey(address));
    if (!user?.email || !user.emailKey || user.deactivatedBy === DeactivatedBy.ADMIN) return null;
    const token = await this.tokens.issue(tx, {
      purpose: TokenPurpose.RESET_PASSWORD,
      userId: user.id,
      address: user.email,
      addressKey: user.emailKey,
    });
    return this.letters.resetPassword(user.email, token);
  }

  /** The mail after an undo is the only way in that is left: strangers who ask for others must not hold it back. */
  limits({ undoes }: RecoveryFacts): readonly RecipientRule[] {
    return undoes ? [] : ['recoverAccount.recipient'];
  }
}
