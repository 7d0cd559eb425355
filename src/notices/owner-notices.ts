import type { EntityManager } from '@mikro-orm/postgresql';
import { User } from '../accounts/user.entity.ts';
import type { Letters, NoticeKind } from '../letters/index.ts';
import { RateLimited } from '../platform/errors.ts';
import type { Mail, MailOutbox, MailWriter } from '../platform/mail/index.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { RequestOrigin } from '../platform/request/index.ts';

/** Notices that one owner gets at most; whoever is attacked shall not be buried in mail as well. */
export const NOTICE_RULES = { 'notice.account': { burst: 10, perSeconds: 3600 } } as const;

interface Notice {
  readonly userId: string;
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
    private readonly letters: Letters,
    private readonly rateLimiter: RateLimiter,
  ) {}

  /** Call it in the transaction of what happened: the owner hears of it exactly when it did happen. */
  async tell(tx: EntityManager, userId: string, kind: NoticeKind, origin: RequestOrigin): Promise<void> {
    // Counted here and not by the writer, which runs again for each attempt to send.
    if (!(await this.isWithinLimit(userId))) return;
    const at = new Date().toISOString();
    await this.outbox.put<Notice>(tx, this, { userId, kind, at, ipAddress: origin.clientAddress });
  }

  async write(tx: EntityManager, { userId, kind, at, ipAddress }: Notice): Promise<Mail | null> {
    const user = await tx.findOne(User, { id: userId });
    if (!user?.email) return null;
    return this.letters.notice(user.email, kind, { at: new Date(at), ipAddress });
  }

  private async isWithinLimit(userId: string): Promise<boolean> {
    try {
      await this.rateLimiter.charge({ 'notice.account': userId });
      return true;
    } catch (error) {
      if (error instanceof RateLimited) return false;
      throw error;
    }
  }
}
