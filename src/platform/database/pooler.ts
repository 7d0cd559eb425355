import type pg from 'pg';
import { destroyClient } from './connection-care.ts';
import { databaseClient } from './primary.ts';

/**
 * How connections reach PostgreSQL: directly, or through a pooler that lends a server for a session or a transaction.
 */
export type Pooling = 'none' | 'session' | 'transaction';

/** Concurrent transactions that may be needed before a pooler lends the server of the idle connection. */
const BORROWERS = 8;

/**
 * Finds out whether a connection keeps its server. A pooler gives its own process number at the start, so the number of
 * the server differs. In transaction mode, the pooler lends the server of an idle connection to one of a few open
 * transactions, or the idle connection itself gets another server.
 */
export async function poolingOf(url: string): Promise<Pooling> {
  const idle = connection(url);
  const borrowers: pg.Client[] = [];
  try {
    await idle.connect();
    const before = await serverOf(idle);
    if (before === (idle as unknown as { processID: number }).processID) return 'none';
    while (borrowers.length < BORROWERS) {
      const borrower = connection(url);
      borrowers.push(borrower);
      await borrower.connect();
      await borrower.query('begin');
      const isLent = (await serverOf(borrower)) === before || (await serverOf(idle)) !== before;
      if (isLent) return 'transaction';
    }
    return 'session';
  } finally {
    for (const client of [idle, ...borrowers]) destroyClient(client);
  }
}

function connection(url: string): pg.Client {
  const client = databaseClient(url, {
    application_name: 'gatehouse pooling',
    connectionTimeoutMillis: 3_000,
    query_timeout: 3_000,
  });
  client.on('error', () => {});
  return client;
}

async function serverOf(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid;
}
