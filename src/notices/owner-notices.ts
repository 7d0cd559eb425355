import type { EntityManager } from '@mikro-orm/postgresql';
import { User } from '../accounts/user.entity.ts';
import type { MailTemplates, NoticeKind } from '../mail-templates/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import { RateLimited } from '../platform/errors.ts';
import type { Mail, MailOutbox, MailWriter } from '../platform/mail/index.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { RequestSource } from '../platform/request/index.ts';

/**
 * Notices of one kind that one owner gets at most; whoever is attacked shall not be buried in mail as well. By kind: a
 * thief who causes many of one could otherwise do the next thing unheard.
 */
export const NOTICE_RULES = { 'notice.account': { burst: 5, perSeconds: 3600 } } as const;

interface Notice {
  readonly userId: string;
  readonly address: string;
  readonly kind: NoticeKind;
  /** ISO 8601. */
  readonly at: string;
  readonly ipAddress: string | null;
}

/** Tells the owners of accounts what happened to them. */
export class OwnerNotices implements MailWriter<Notice> {
  readonly kind = 'owner-notice';

  constructor(
    private readonly outbox: MailOutbox,
    private readonly mailTemplates: MailTemplates,
    private readonly tokens: OneTimeTokens,
    private readonly rateLimiter: RateLimiter<keyof typeof NOTICE_RULES>,
  ) {}

  /**
   * Call it in the transaction of what happened: the owner hears of it exactly when it did happen. It goes to the
   * address that the account has then, whoever moves it before the mail is sent, and to those that can still be
   * brought back: a thief who moved the account must not be the only one to hear.
   */
  async tell(tx: EntityManager, userId: string, kind: NoticeKind, source: RequestSource): Promise<void> {
    // Counted here and not by the writer, which runs again for each attempt to send.
    if (!(await this.isWithinLimit(userId, kind))) return;
    const at = new Date().toISOString();
    for (const address of await this.addressesOf(tx, userId))
      await this.outbox.put<Notice>(tx, this, { userId, address, kind, at, ipAddress: source.clientIp });
  }

  async write(tx: EntityManager, { userId, address, kind, at, ipAddress }: Notice): Promise<Mail | null> {
    const user = await tx.findOne(User, { id: userId });
    return user && this.mailTemplates.notice(address, kind, { at: new Date(at), ipAddress });
  }

  private async addressesOf(tx: EntityManager, userId: string): Promise<Iterable<string>> {
    const addresses = await this.tokens.boundAddresses(tx, userId, TokenPurpose.UNDO_EMAIL_CHANGE);
    const user = await tx.findOne(User, { id: userId }, { disableIdentityMap: true });
    if (user?.email && user.emailKey) addresses.set(user.emailKey, user.email);
    return addresses.values();
  }

  private async isWithinLimit(userId: string, kind: NoticeKind): Promise<boolean> {
    try {
      await this.rateLimiter.charge(['notice.account', `${userId}:${kind}`]);
      return true;
    } catch (error) {
      if (error instanceof RateLimited) return false;
      throw error;
    }
  }
}
