import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { sql, statement } from '../platform/database/index.ts';
import { emailKey } from './email-address.ts';
import { usernameKey } from './username.ts';

/**
 * The form of a username or an e-mail address by which accounts are compared, whatever its spelling and whether an
 * account has it. Empty for text that can be neither.
 */
export function identifierKey(identifier: string): string {
  return identifier.includes('@') ? emailKey(identifier) : usernameKey(identifier);
}

/** Condition on a user `u`: the account has this username or this e-mail address. A username never contains an @. */
export function isCalled(identifier: string): RawBuilder<unknown> {
  const column = identifier.includes('@') ? sql.ref('u.email_key') : sql.ref('u.username_key');
  return sql`${column} = ${identifierKey(identifier)}`;
}

/** The account that has this username or this e-mail address now. @returns null for an unknown one. */
export async function findByName(em: EntityManager, identifier: string): Promise<string | null> {
  const [found] = await statement(
    em,
    sql<{ id: string }>`select u.id from users u where ${isCalled(identifier)}`,
  );
  return found?.id ?? null;
}
