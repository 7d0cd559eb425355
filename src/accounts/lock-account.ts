import { type EntityManager, LockMode } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { User } from './user.entity.ts';

/**
 * Locks an account, so that its changes run one after the other. A concurrent sign-in waits, and then finds the change.
 * The row is read again under the lock, even if this request has read it before. Lock the account before its password,
 * tokens and sessions: any other order can deadlock.
 */
export function lockAccount(tx: EntityManager, userId: string): Promise<User | null> {
  return tx.findOne(User, { id: userId }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
}

/** Locks an account by the key of its address (email-address.ts), as `lockAccount` does. */
export function lockAccountByAddress(tx: EntityManager, addressKey: string): Promise<User | null> {
  return tx.findOne(User, { emailKey: addressKey }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
}

/**
 * Locks an account and the holder of an address, by one statement and in one order. Otherwise two owners who want each
 * other's address would deadlock.
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

/** The state of an active account that a sign-in needs. The row of the account is locked until the transaction ends. */
export interface LockedAccount {
  /** Whether its sign-ins need a second factor. */
  readonly secondFactor: boolean;
  /** Also true for an account without an address, which has none to prove. */
  readonly addressProved: boolean;
}

/**
 * Locks an active account. A concurrent deactivation or change of the second factor waits until this transaction
 * commits, and then sees the rows that it wrote. If this lock waited instead, it reads the row as the other
 * transaction left it. That holds only for columns of this row: PostgreSQL reads other tables as they were before the
 * wait.
 * @returns null when the account is deleted or deactivated.
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
