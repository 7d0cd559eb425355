import type { EntityManager } from '@mikro-orm/postgresql';
import { User } from '../accounts/user.entity.ts';
import type { MailTemplates } from '../mail-templates/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import { RateLimited } from '../platform/errors.ts';
import type { Mail, MailOutbox, MailWriter } from '../platform/mail/index.ts';
import type { NoticeText, NoticeTexts } from '../platform/module-type.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { RequestSource } from '../platform/request/index.ts';

/**
 * Notices of one kind that one owner gets at most, so that an attack does not flood the owner's mailbox. The limit is
 * for each kind: otherwise a thief could exhaust it with many notices of one kind, and act unnoticed.
 */
export const NOTICE_RULES = {
  'notice.account': {
    burst: 5,
    perSeconds: 3600,
    counts: 'account and kind of notice; further notices of that kind are not mailed',
  },
} as const;

interface Notice {
  readonly userId: string;
  readonly address: string;
  readonly kind: string;
  /** ISO 8601. */
  readonly at: string;
  readonly ipAddress: string | null;
}

/**
 * Tells the owners of accounts of events at their accounts.
 * @typeParam Kind the notices that a service sends: keys of its module's `notices`
 */
export class OwnerNotices<Kind extends string> implements MailWriter<Notice> {
  readonly kind = 'owner-notice';

  constructor(
    private readonly outbox: MailOutbox,
    private readonly mails: { readonly templates: MailTemplates; readonly texts: NoticeTexts },
    private readonly tokens: OneTimeTokens,
    private readonly rateLimiter: RateLimiter<keyof typeof NOTICE_RULES>,
  ) {}

  /**
   * Sends a notice. Call it in the transaction of the event, so that mail and event commit together.
   * The mail goes to the e-mail address that the account has then, even if it changes before the mail is sent. It also
   * goes to old addresses that an undo can bring back: otherwise a thief who changed the address would be the only
   * recipient.
   */
  async tell(tx: EntityManager, userId: string, kind: Kind, source: RequestSource): Promise<void> {
    this.textOf(kind);
    // Charged here, since the writer runs again for each attempt to send.
    if (!(await this.isWithinLimit(userId, kind))) return;
    const at = new Date().toISOString();
    for (const address of await this.addressesOf(tx, userId))
      await this.outbox.put<Notice>(tx, this, { userId, address, kind, at, ipAddress: source.clientIp });
  }

  async write(tx: EntityManager, { userId, address, kind, at, ipAddress }: Notice): Promise<Mail | null> {
    const user = await tx.findOne(User, { id: userId });
    return user && this.mails.templates.notice(address, this.textOf(kind), { at: new Date(at), ipAddress });
  }

  /** @throws when no module declares the kind: in the transaction, rather than in every attempt to send. */
  private textOf(kind: string): NoticeText {
    const text = this.mails.texts[kind];
    if (!text) throw new Error(`no module declares the notice ${kind}`);
    return text;
  }

  private async addressesOf(tx: EntityManager, userId: string): Promise<Iterable<string>> {
    const addresses = await this.tokens.boundAddresses(tx, userId, TokenPurpose.UNDO_EMAIL_CHANGE);
    const user = await tx.findOne(User, { id: userId }, { disableIdentityMap: true });
    if (user?.email && user.emailKey) addresses.set(user.emailKey, user.email);
    return addresses.values();
  }

  private async isWithinLimit(userId: string, kind: string): Promise<boolean> {
    try {
      await this.rateLimiter.charge(['notice.account', `${userId}:${kind}`]);
      return true;
    } catch (error) {
      if (error instanceof RateLimited) return false;
      throw error;
    }
  }
}
