import { type EntityManager, LockMode } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { User } from './user.entity.ts';

/**
 * Changes of one account go one after the other; a sign-in waits, and then finds what was changed. The row is read
 * again under the lock, whatever this request saw of it before. It is locked before the password, the tokens and the
 * sessions of the account: who locks one of those first waits in a circle with who does not.
 */
export function lockAccount(tx: EntityManager, userId: string): Promise<User | null> {
  return tx.findOne(User, { id: userId }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
}

/** The same by the key of its address (email-address.ts). */
export function lockAccountByAddress(tx: EntityManager, addressKey: string): Promise<User | null> {
  return tx.findOne(User, { emailKey: addressKey }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
}

/**
 * Locks an account, and the one that has an address, by one statement and in one order: two owners who want each other's
 * address would otherwise deadlock.
 */
export async function lockAccountAndHolder(
  tx: EntityManager,
  userId: string,
  addressKey: string,
): Promise<void> {
  await statement(
    tx,
    sql`select from users where id = ${userId} or email_key = ${addressKey} order by id for update`,
  );
}

/** What a sign-in must know of an active account whose row is locked until its transaction ends. */
export interface LockedAccount {
  /** Whether its sign-ins need a second factor. */
  readonly secondFactor: boolean;
  /** An account without any address has none to prove. */
  readonly addressProved: boolean;
}

/**
 * A deactivation, or a change of the second factor, waits until what is done under the lock is written, and then finds
 * it; what waited for one of those sees the row as they left it. That holds for columns of the row alone: PostgreSQL
 * reads other tables as they were before the wait.
 * @returns null when the account is gone or deactivated.
 */
export async function lockActiveAccount(tx: EntityManager, userId: string): Promise<LockedAccount | null> {
  const [row] = await statement(
    tx,
    sql<{ second_factor: boolean; address_proved: boolean }>`
      select second_factor_since is not null as second_factor,
             email is null or email_confirmed_at is not null as address_proved
      from users where id = ${userId} and deactivated_by is null for no key update`,
  );
  return row ? { secondFactor: row.second_factor, addressProved: row.address_proved } : null;
}
