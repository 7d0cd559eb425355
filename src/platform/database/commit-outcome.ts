import pg, { type ClientBase, type Pool } from 'pg';
import { destroyClient, newClient } from './connection-care.ts';
import { outsideDeadline } from './operation-deadline.ts';

/** Milliseconds within which the outcome of a COMMIT must be found out, and between two looks. */
const LOOK_FOR = 3_000;
const LOOK_EVERY = 100;

/** The answer to COMMIT was lost, and what became of the transaction could not be found out. */
export class CommitOutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('the answer to COMMIT was lost', { cause });
    this.name = 'CommitOutcomeUnknown';
  }
}

/** Whether the failure leaves open if its change was made. */
export function isOutcomeUnknown(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof CommitOutcomeUnknown) return true;
  }
  return false;
}

/** A transaction, and the run of the server in which its number means something. */
interface Mark {
  /** Null for a transaction that wrote nothing. */
  readonly xid: string | null;
  /** When the server started. One that started since may have lost the transaction, and given its number away again. */
  readonly server: string;
}

const MARK = `select pg_current_xact_id_if_assigned()::text as xid, pg_postmaster_start_time()::text as server`;
const STATUS = `select pg_xact_status($1::xid8) as status, pg_postmaster_start_time()::text as server`;

/**
 * Tells truly what became of a transaction whose COMMIT was not answered: it asks on another connection. A client that is
 * told "nothing was changed" repeats what was done, and a person whose password was changed is locked out.
 * Costs one short statement for each transaction.
 */
export function withCommitOutcome<Client extends ClientBase>(client: Client, pool: Pool): Client {
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const told = (...args: unknown[]): unknown => (isCommit(args[0]) ? commit() : query(...args));
  const commit = async (): Promise<unknown> => {
    // It belongs to COMMIT, which is said however late it is (connection-care.ts).
    const { rows } = (await outsideDeadline(() => query(MARK))) as { rows: Mark[] };
    try {
      return await query('commit');
    } catch (error) {
      const [mark] = rows;
      // With a code of its own (SQLSTATE) the server itself refused.
      if (!mark?.xid || isRefusal(error)) throw error;
      const outcome = await outcomeOf(mark, pool);
      if (outcome === 'committed') return { command: 'COMMIT', rowCount: null, rows: [] };
      throw outcome === 'aborted' ? error : new CommitOutcomeUnknown(error);
    }
  };
  return Object.assign(client, { query: told });
}

const isCommit = (text: unknown): boolean => typeof text === 'string' && /^\s*commit\s*;?\s*$/i.test(text);

/** Not of a server that was stopped (57P), nor of PgBouncer, which lost the server behind it (08). */
const isRefusal = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && !/^(57P|08)/.test(error.code ?? '');

async function outcomeOf(mark: Mark, pool: Pool): Promise<'committed' | 'aborted' | 'unknown'> {
  const giveUpAt = performance.now() + LOOK_FOR;
  while (performance.now() < giveUpAt) {
    const status = await statusOf(mark, pool).catch(() => undefined);
    if (status === 'committed' || status === 'aborted' || status === 'unknown') return status;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
  return 'unknown';
}

/** By a connection of its own: those of the pool may be lost with the one that was asked. */
async function statusOf(mark: Mark, pool: Pool): Promise<string> {
  const witness = newClient(pool, {
    query_timeout: LOOK_FOR,
    connectionTimeoutMillis: LOOK_FOR,
  });
  witness.on('error', () => {});
  try {
    await witness.connect();
    const { rows } = await witness.query<{ status: string | null; server: string }>(STATUS, [mark.xid]);
    const [row] = rows;
    return row?.server === mark.server && row.status !== null ? row.status : 'unknown';
  } finally {
    destroyClient(witness);
  }
}
