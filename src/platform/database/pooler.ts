import type pg from 'pg';
import { destroyClient } from './connection-care.ts';
import { databaseClient } from './primary.ts';

/**
 * How connections reach PostgreSQL: directly, or through a pooler that lends a server for a session or a transaction.
 */
export type Pooling = 'none' | 'session' | 'transaction';

/** Number of transactions to open before the pooler is judged to be in session mode. */
const BORROWERS = 8;

/**
 * Finds out whether a connection keeps its server. Behind a pooler, the process number from the start of the
 * connection is the pooler's, and differs from that of the server. While a few transactions are opened, a
 * pooler in transaction mode gives one of them the server of the idle connection, or gives the idle
 * connection another server.
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
