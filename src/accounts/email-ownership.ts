import type { EntityManager } from '@mikro-orm/postgresql';
import { type OneTimeTokens, type TokenBinding, TokenPurpose } from '../one-time-tokens/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { lockAccount, lockAccountAndHolder } from './lock-account.ts';
import { DeactivatedBy, User } from './user.entity.ts';

/**
 * Limits two kinds of mail to one mailbox together, against mail bombing: another confirmation, and a change of address to it.
 * The worker charges it for a mail that it sends. Registrations, recovery and notices to the owner have limits of their own, so a
 * stranger who empties this one suppresses none of them.
 */
export const RECIPIENT_RULES = { 'mail.recipient': { burst: 10, perSeconds: 3600 } } as const;

/** First half of the advisory locks on addresses; the second is a hash of the address. */
const ADDRESS_LOCK = 0x6761_6164;

/** Which addresses have an owner. */
export class EmailOwnership {
  constructor(private readonly tokens: OneTimeTokens) {}

  /**
   * True for the address of an account, and for one that an account can still bring back: otherwise whoever took over
   * an account could give its old address away before the owner undoes the change.
   */
  async isTaken(em: EntityManager, addressKey: string, except?: string): Promise<boolean> {
    const owner = await em.findOne(User, { emailKey: addressKey }, { fields: ['id'] });
    if (owner && owner.id !== except) return true;
    return this.tokens.isBound(em, TokenPurpose.UNDO_EMAIL_CHANGE, addressKey, except);
  }

  /**
   * Whether the address has an owner from whom a registration that proves it may not take it: an account that proved it,
   * or has a role (the person who granted it meant its holder), or was deactivated by an administrator; or an account
   * that can still bring it back.
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

  /** Of many addresses those that an account can still bring back. */
  keptAmong(em: EntityManager, addressKeys: readonly string[]): Promise<ReadonlySet<string>> {
    return this.tokens.boundAmong(em, TokenPurpose.UNDO_EMAIL_CHANGE, addressKeys);
  }

  /** Whose address it is: of the account that has it, or of one that can still bring it back. */
  async holderOf(em: EntityManager, addressKey: string): Promise<string | null> {
    const owner = await em.findOne(User, { emailKey: addressKey }, { fields: ['id'] });
    return owner?.id ?? this.tokens.holderOf(em, TokenPurpose.UNDO_EMAIL_CHANGE, addressKey);
  }

  /**
   * Keeps an address for the transaction that would give it to an account, before anything else is locked. Whoever wants
   * the same one at the same time waits, and then finds who has it: so of several that would take it from one another
   * none waits in a circle.
   */
  async reserve(tx: EntityManager, addressKey: string): Promise<void> {
    await statement(tx, sql`select pg_advisory_xact_lock(${ADDRESS_LOCK}::int, hashtext(${addressKey}))`);
  }

  /**
   * Locks what a change of address touches: first the address, then the account and the one that has the address. Lock nothing
   * of an account before it.
   * @returns the account, as it is under the lock
   */
  async lockForMove(tx: EntityManager, userId: string, addressKey: string): Promise<User | null> {
    await this.reserve(tx, addressKey);
    await lockAccountAndHolder(tx, userId, addressKey);
    return lockAccount(tx, userId);
  }

  /**
   * Uses a token up that gives its address to an account. Both the account and the one that has the address now are locked
   * before the token, in one order: a reset of the latter locks it and then voids tokens and registrations of the address.
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
