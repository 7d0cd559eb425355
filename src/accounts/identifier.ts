import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { sql, statement } from '../platform/database/index.ts';
import { emailKey } from './email-address.ts';
import { usernameKey } from './username.ts';

/**
 * The form in which usernames and e-mail addresses are compared. It is the same for all spellings, and does not depend
 * on whether an account exists. Empty for text that can be neither.
 */
export function identifierKey(identifier: string): string {
  return identifier.includes('@') ? emailKey(identifier) : usernameKey(identifier);
}

/** SQL condition that user `u` has this username or e-mail address. A username never contains an @. */
export function isCalled(identifier: string): RawBuilder<unknown> {
  const column = identifier.includes('@') ? sql.ref('u.email_key') : sql.ref('u.username_key');
  return sql`${column} = ${identifierKey(identifier)}`;
}

/** Finds the account with this username or e-mail address. @returns null when there is none. */
export async function findByName(em: EntityManager, identifier: string): Promise<string | null> {
  const [found] = await statement(
    em,
    sql<{ id: string }>`select u.id from users u where ${isCalled(identifier)}`,
  );
  return found?.id ?? null;
}
