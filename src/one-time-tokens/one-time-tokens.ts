import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import { newId } from '../platform/id.ts';
import { consumeSecret, hashOfSecret, newSecret } from '../platform/one-time-secret.ts';
import { TokenPurpose } from './one-time-token.entity.ts';
import { TOKEN_LIFETIMES } from './token-lifetimes.ts';

/**
 * How many older tokens of an account stay valid next to a new one; without an entry, all of them. The mail limits
 * allow fewer than nine reset links within the 30 minutes of one link (`recoverAccount.recipient`).
 */
const KEPT_BESIDE_A_NEW_ONE: Readonly<Partial<Record<TokenPurpose, number>>> = {
  [TokenPurpose.CONFIRM_EMAIL]: 9,
  [TokenPurpose.RESET_PASSWORD]: 9,
  [TokenPurpose.CHANGE_EMAIL]: 0,
};

/** The facts to which a new token is bound. */
export interface NewToken {
  readonly purpose: TokenPurpose;
  /** Account, or pending registration. */
  readonly userId: string;
  readonly address: string;
  readonly addressKey: string;
  /** Seconds, instead of the lifetime of its purpose. */
  readonly lifetimeSeconds?: number;
}

/** The facts to which a token is bound. */
export interface TokenBinding extends Omit<NewToken, 'lifetimeSeconds'> {
  /** Text of the database, by its clock: a Date would drop the microseconds. */
  readonly issuedAt: string;
}

/**
 * Mailed tokens: random, stored as a hash, bound to an account and address, expiring by the database's clock, valid
 * once.
 */
export class OneTimeTokens {
  /**
   * Makes a token for an account whose row the caller has locked.
   * A new change of address voids the former one. Links that anyone can request stay valid next to each other, each for
   * its own lifetime: a stranger's request must not void the link that the owner is about to use. Only when there are
   * too many, the oldest is removed. Every undo stays, since each brings its own address back.
   */
  async issue(
    tx: EntityManager,
    { purpose, userId, address, addressKey, lifetimeSeconds = TOKEN_LIFETIMES[purpose] }: NewToken,
  ): Promise<string> {
    const kept = KEPT_BESIDE_A_NEW_ONE[purpose];
    if (kept !== undefined) await this.voidAllBut(tx, userId, purpose, kept);
    const token = newSecret();
    await statement(
      tx,
      sql`insert into one_time_token (id, purpose, hash, user_id, address, address_key, expires_at)
          values (${newId()}, ${purpose}, ${hashOfSecret(token)}, ${userId}, ${address}, ${addressKey},
                  now() + make_interval(secs => ${lifetimeSeconds}))`,
    );
    return token;
  }

  /** Reads the binding of a valid token, without consuming it. */
  async look(
    em: EntityManager,
    token: string,
    purposes: readonly TokenPurpose[],
  ): Promise<TokenBinding | null> {
    const rows = await statement(
      em,
      sql<BindingRow>`
        select purpose, user_id, address, address_key, created_at::text as issued_at from one_time_token
        where hash = ${hashOfSecret(token)} and purpose = any(${purposes}) and expires_at > now()`,
    );
    const [row] = rows;
    return row ? bindingOf(row) : null;
  }

  /** Consumes a token by one conditional statement: of any number of concurrent attempts, one gets the binding. */
  async consume(
    tx: EntityManager,
    token: string,
    purposes: readonly TokenPurpose[],
  ): Promise<TokenBinding | null> {
    const row = await consumeSecret<BindingRow>(
      tx,
      {
        table: 'one_time_token',
        column: 'hash',
        hash: hashOfSecret(token),
        condition: sql`purpose = any(${purposes})`,
      },
      sql`purpose, user_id, address, address_key, created_at::text as issued_at`,
    );
    return row && bindingOf(row);
  }

  /** @returns whether there was one. */
  async void(tx: EntityManager, userId: string, purposes: readonly TokenPurpose[]): Promise<boolean> {
    const rows = await statement(
      tx,
      sql`delete from one_time_token where user_id = ${userId} and purpose = any(${purposes}) returning id`,
    );
    return rows.length > 0;
  }

  private async voidAllBut(
    tx: EntityManager,
    userId: string,
    purpose: TokenPurpose,
    kept: number,
  ): Promise<void> {
    await statement(
      tx,
      sql`delete from one_time_token where id in (
            select id from one_time_token where user_id = ${userId} and purpose = ${purpose}
            order by created_at desc, id desc offset ${kept})`,
    );
  }

  /** Voids the tokens of all purposes. */
  async voidAll(tx: EntityManager, userId: string): Promise<void> {
    await this.void(tx, userId, Object.values(TokenPurpose));
  }

  /** Voids the undos that were made after this one: they belong to an address that was not the owner's. */
  async voidLaterUndos(tx: EntityManager, { userId, issuedAt }: TokenBinding): Promise<void> {
    await statement(
      tx,
      sql`delete from one_time_token where user_id = ${userId} and purpose = ${TokenPurpose.UNDO_EMAIL_CHANGE}
            and created_at > ${issuedAt}::timestamptz`,
    );
  }

  /**
   * Time of the first token of this purpose for the same account and address, by the database's clock. A change of
   * address makes one token when it is requested and one when it takes effect, and the owner may use either.
   */
  async firstIssuedAt(
    tx: EntityManager,
    { userId, purpose, addressKey, issuedAt }: TokenBinding,
  ): Promise<Date> {
    const [row] = await statement(
      tx,
      sql<{ first: string }>`
        select least(min(created_at), ${issuedAt}::timestamptz) as first from one_time_token
        where user_id = ${userId} and purpose = ${purpose} and address_key = ${addressKey}`,
    );
    return new Date(row?.first ?? issuedAt);
  }

  /** Filters addresses: returns those for which an account holds a token of this purpose. */
  async boundAmong(
    em: EntityManager,
    purpose: TokenPurpose,
    addressKeys: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const rows = await statement(
      em,
      sql<{ address_key: string }>`
        select address_key from one_time_token
        where address_key = any(${[...addressKeys]}::text[]) and purpose = ${purpose} and expires_at > now()`,
    );
    return new Set(rows.map(({ address_key }) => address_key));
  }

  /** Whether an account other than `except` holds a token of this purpose for the address. */
  async isBound(
    em: EntityManager,
    purpose: TokenPurpose,
    addressKey: string,
    except: string | null = null,
  ): Promise<boolean> {
    const rows = await statement(
      em,
      sql`select from one_time_token
          where address_key = ${addressKey} and purpose = ${purpose} and expires_at > now()
            and user_id is distinct from ${except}::uuid limit 1`,
    );
    return rows.length > 0;
  }

  /** Addresses of the user's tokens of this purpose, by the form in which addresses are compared. */
  async boundAddresses(
    em: EntityManager,
    userId: string,
    purpose: TokenPurpose,
  ): Promise<Map<string, string>> {
    const rows = await statement(
      em,
      sql<{ address_key: string; address: string }>`
        select address_key, address from one_time_token
        where user_id = ${userId} and purpose = ${purpose} and expires_at > now()`,
    );
    return new Map(rows.map(({ address_key, address }) => [address_key, address]));
  }

  /**
   * The account that holds a token of this purpose for the address. Of several accounts, the one with the oldest token.
   */
  async holderOf(em: EntityManager, purpose: TokenPurpose, addressKey: string): Promise<string | null> {
    const [row] = await statement(
      em,
      sql<{ user_id: string }>`
        select user_id from one_time_token
        where address_key = ${addressKey} and purpose = ${purpose} and expires_at > now()
        order by created_at limit 1`,
    );
    return row?.user_id ?? null;
  }

  /** Expiry of the user's last token of this purpose for any other address. */
  async expiryOfOther(
    em: EntityManager,
    userId: string,
    purpose: TokenPurpose,
    addressKey: string | null,
  ): Promise<Date | null> {
    const [row] = await statement(
      em,
      sql<{ expires_at: string }>`
        select expires_at from one_time_token
        where user_id = ${userId} and purpose = ${purpose} and expires_at > now()
          and address_key is distinct from ${addressKey}
        order by expires_at desc limit 1`,
    );
    return row ? new Date(row.expires_at) : null;
  }

  /** For many users, the address of the newest token of this purpose. */
  async addressesOf(
    em: EntityManager,
    userIds: readonly string[],
    purpose: TokenPurpose,
  ): Promise<ReadonlyMap<string, string>> {
    const rows = await statement(
      em,
      sql<{ user_id: string; address: string }>`
        select distinct on (user_id) user_id, address from one_time_token
        where user_id = any(${[...userIds]}::uuid[]) and purpose = ${purpose} and expires_at > now()
        order by user_id, created_at desc`,
    );
    return new Map(rows.map(({ user_id, address }) => [user_id, address]));
  }
}

interface BindingRow {
  purpose: TokenPurpose;
  user_id: string;
  address: string;
  address_key: string;
  issued_at: string;
}

function bindingOf(row: BindingRow): TokenBinding {
  const { purpose, user_id: userId, address, address_key: addressKey, issued_at: issuedAt } = row;
  return { purpose, userId, address, addressKey, issuedAt };
}

export const expiredTokens = expiredRows(
  'expired one-time tokens',
  'one_time_token',
  sql`expires_at < now()`,
);
