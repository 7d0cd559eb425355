import { type EntityManager, LockMode } from '@mikro-orm/postgresql';
import { User } from './user.entity.ts';

/**
 * Changes of one account go one after the other; a sign-in waits, and then finds what was changed. The row is read
 * again under the lock, whatever this request saw of it before.
 */
export function lockAccount(tx: EntityManager, userId: string): Promise<User | null> {
  return tx.findOne(User, { id: userId }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
}
