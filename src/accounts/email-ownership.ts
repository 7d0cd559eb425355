import type { EntityManager } from '@mikro-orm/postgresql';
import { type OneTimeTokens, type TokenBinding, TokenPurpose } from '../one-time-tokens/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { lockAccount, lockAccountAndHolder } from './lock-account.ts';
import { DeactivatedBy, User } from './user.entity.ts';

/**
 * Limits two kinds of mail to one mailbox together, against mail bombing: repeated confirmations, and changes of
 * address to it. The worker charges it for each mail that it sends. Registrations, recovery and notices to the owner
 * have limits of their own, so a stranger who uses this one up suppresses none of them.
 */
export const RECIPIENT_RULES = {
  'mail.recipient': {
    burst: 10,
    perSeconds: 3600,
    counts: 'mailbox, for each further confirmation and each e-mail change to it; further mails are not sent',
  },
} as const;

/** First half of the keys of advisory locks on addresses. The second half is a hash of the address. */
const ADDRESS_LOCK = 0x6761_6164;

/** Answers which addresses have an owner, and locks addresses. */
export class EmailOwnership {
  constructor(private readonly tokens: OneTimeTokens) {}

  /**
   * Whether an account has the address, or can still get it back by an undo. Otherwise a thief could give away the old
   * address of an account before its owner undoes the change.
   */
  async isTaken(em: EntityManager, addressKey: string, except?: string): Promise<boolean> {
    const owner = await em.findOne(User, { emailKey: addressKey }, { fields: ['id'] });
    if (owner && owner.id !== except) return true;
    return this.tokens.isBound(em, TokenPurpose.UNDO_EMAIL_CHANGE, addressKey, except);
  }

  /**
   * Whether the address has an owner from whom a registration may not take it, even if it proves the address. Such an
   * owner has proved the address, has a role (granted to the holder of the address), or was deactivated by an
   * administrator. An account that can still get the address back counts too.
   */
  async hasOwner(em: EntityManager, addressKey: string): Promise<boolean> {
    const owners = await statement(
      em,
      sql`select from users u
          where u.email_key = ${addressKey}
            and (u.email_confirmed_at is not null or u.deactivated_by = ${DeactivatedBy.ADMIN}
                 or exists (select from role_grant g where g.user_id = u.id))`,
    );
    return owners.length > 0 || this.tokens.isBound(em, TokenPurpose.UNDO_EMAIL_CHANGE, addressKey);
  }

  /** Of many addresses, those that an account can still get back by an undo. */
  keptAmong(em: EntityManager, addressKeys: readonly string[]): Promise<ReadonlySet<string>> {
    return this.tokens.boundAmong(em, TokenPurpose.UNDO_EMAIL_CHANGE, addressKeys);
  }

  /** The account that has the address, or that can still get it back by an undo. */
  async holderOf(em: EntityManager, addressKey: string): Promise<string | null> {
    const owner = await em.findOne(User, { emailKey: addressKey }, { fields: ['id'] });
    return owner?.id ?? this.tokens.holderOf(em, TokenPurpose.UNDO_EMAIL_CHANGE, addressKey);
  }

  /**
   * Locks an address for a transaction that gives it to an account. Call it before any other lock. Concurrent
   * transactions for the same address wait, and then find its new owner. So transactions that take an address from one
   * another cannot deadlock.
   */
  async reserve(tx: EntityManager, addressKey: string): Promise<void> {
    await statement(tx, sql`select pg_advisory_xact_lock(${ADDRESS_LOCK}::int, hashtext(${addressKey}))`);
  }

  /**
   * Locks the rows that a change of address touches: first the address, then the account together with the account that
   * has the address. Take no lock on an account before it.
   * @returns the account, as read under the lock
   */
  async lockForMove(tx: EntityManager, userId: string, addressKey: string): Promise<User | null> {
    await this.reserve(tx, addressKey);
    await lockAccountAndHolder(tx, userId, addressKey);
    return lockAccount(tx, userId);
  }

  /**
   * Consumes a token that gives its address to an account. It locks the account and the present holder of the address
   * before the token, in one order. A password reset of the holder locks in the same order: the account, then tokens
   * and registrations of the address.
   */
  async consume(
    tx: EntityManager,
    token: string,
    purposes: readonly TokenPurpose[],
  ): Promise<TokenBinding | null> {
    const seen = await this.tokens.look(tx, token, purposes);
    if (!seen) return null;
    await this.reserve(tx, seen.addressKey);
    await lockAccountAndHolder(tx, seen.userId, seen.addressKey);
    return this.tokens.consume(tx, token, purposes);
  }
}
