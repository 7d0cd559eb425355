import type pg from 'pg';
import { type Check } from '../../doctor/check.ts';
import type { REDIS_SETTINGS } from '../../redis/settings.ts';
import type { SERVER_SETTINGS } from '../../server-settings.ts';
import type { ConfigOf } from '../../setting-declaration.ts';
import { destroyClient } from '../connection-care.ts';
import { databaseClient } from '../primary.ts';
import type { DATABASE_SETTINGS } from '../settings.ts';

type Config = ConfigOf<typeof SERVER_SETTINGS | typeof DATABASE_SETTINGS | typeof REDIS_SETTINGS>;
export type DatabaseCheck = Check<Config>;

/** Milliseconds for a connection, and for each statement on it. */
const PATIENCE = 3_000;
/** Name of the check that the others need. */
export const CONNECTION = 'database.connection';

/** Runs work on a connection of its own, which is cut afterwards. */
export async function connected<T>(
  url: string | undefined,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  if (url === undefined) throw new Error('there is no database yet');
  const client = databaseClient(url, {
    application_name: 'gatehouse doctor',
    connectionTimeoutMillis: PATIENCE,
    query_timeout: PATIENCE,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    destroyClient(client);
  }
}

export async function rowOf<Row extends pg.QueryResultRow>(
  client: pg.Client,
  text: string,
  values: unknown[] = [],
): Promise<Row> {
  const { rows } = await client.query<Row>(text, values);
  const [row] = rows;
  if (!row) throw new Error('the database answered without a row');
  return row;
}

/** For a server that only speaks the protocol of PostgreSQL. */
export const ADVICE = 'Use PostgreSQL itself, or a managed PostgreSQL.';
