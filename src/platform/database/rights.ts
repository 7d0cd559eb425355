import { serversOf } from './database-url.ts';
import { MIGRATIONS_TABLE } from './migrations.ts';
import { databaseClient } from './primary.ts';

/** Rights of the serving login on each table. */
export type TableRights = Readonly<Record<string, readonly ('select' | 'insert' | 'update' | 'delete')[]>>;

/** All rights of the serving login. */
export interface ServingRights {
  readonly tables: TableRights;
  /** Functions with their argument types. They run with the rights of the owner. */
  readonly functions: readonly string[];
}

/**
 * Grants the serving login only the rights that it needs, and revokes all others. Idempotent.
 * @returns false when both URLs name the same login, which then owns the tables and can do anything.
 */
export async function grantRights(
  ownerUrl: string,
  servingUrl: string,
  { tables, functions }: ServingRights,
): Promise<boolean> {
  const login = loginOf(servingUrl);
  if (login === loginOf(ownerUrl)) return false;
  const client = databaseClient(ownerUrl, { application_name: 'gatehouse rights' });
  client.on('error', () => {});
  await client.connect();
  try {
    const role = client.escapeIdentifier(login);
    const grants = Object.entries({ ...tables, [MIGRATIONS_TABLE]: ['select'] }).map(
      ([table, verbs]) => `grant ${verbs.join(', ')} on ${client.escapeIdentifier(table)} to ${role};`,
    );
    await client.query(`
      begin;
      grant usage on schema public to ${role};
      revoke all on all tables in schema public from ${role};
      grant usage on all sequences in schema public to ${role};
      ${grants.join('\n')}
      ${functions.map((name) => `grant execute on function ${name} to ${role};`).join('\n')}
      commit;`);
    return true;
  } finally {
    await client.end();
  }
}

/** The name of the login in a connection string. */
export const loginOf = (url: string): string => decodeURIComponent(new URL(serversOf(url)[0].url).username);
