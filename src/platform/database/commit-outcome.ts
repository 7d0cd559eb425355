import pg, { type ClientBase, type Pool } from 'pg';
import { destroyClient, newClient } from './connection-care.ts';
import { outsideDeadline } from './operation-deadline.ts';

/** Milliseconds within which the outcome of a COMMIT must be found, and between two checks. */
const LOOK_FOR = 3_000;
const LOOK_EVERY = 100;

/** The answer to COMMIT was lost, and the outcome of the transaction could not be found. */
export class CommitOutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('the answer to COMMIT was lost', { cause });
    this.name = 'CommitOutcomeUnknown';
  }
}

/** Whether the error leaves open if the change was made. */
export function isOutcomeUnknown(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof CommitOutcomeUnknown) return true;
  }
  return false;
}

/** A transaction, and the run of the server in which its number is valid. */
interface Mark {
  /** Null for a transaction that wrote nothing. */
  readonly xid: string | null;
  /** Start time of the server. A server that started later may have lost the transaction, and reused its number. */
  readonly server: string;
}

const MARK = `select pg_current_xact_id_if_assigned()::text as xid, pg_postmaster_start_time()::text as server`;
const STATUS = `select pg_xact_status($1::xid8) as status, pg_postmaster_start_time()::text as server`;

/**
 * Finds the outcome of a transaction whose COMMIT was not answered, by asking on another connection. A client that is
 * wrongly told "nothing was changed" repeats the change, and a person whose password was changed is locked out. Costs
 * one short statement for each transaction.
 */
export function withCommitOutcome<Client extends ClientBase>(client: Client, pool: Pool): Client {
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const told = (...args: unknown[]): unknown => (isCommit(args[0]) ? commit() : query(...args));
  const commit = async (): Promise<unknown> => {
    // Without a deadline, like the COMMIT that follows (connection-care.ts).
    const { rows } = (await outsideDeadline(() => query(MARK))) as { rows: Mark[] };
    try {
      return await query('commit');
    } catch (error) {
      const [mark] = rows;
      // An error with an SQLSTATE is a refusal by the server itself.
      if (!mark?.xid || isRefusal(error)) throw error;
      const outcome = await outcomeOf(mark, pool);
      if (outcome === 'committed') return { command: 'COMMIT', rowCount: null, rows: [] };
      throw outcome === 'aborted' ? error : new CommitOutcomeUnknown(error);
    }
  };
  return Object.assign(client, { query: told });
}

const isCommit = (text: unknown): boolean => typeof text === 'string' && /^\s*commit\s*;?\s*$/i.test(text);

/**
 * Whether the server refused the COMMIT. Excludes a server that was stopped (57P), and PgBouncer without its server
 * (08).
 */
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

/** Asks on a new connection: the connections of the pool may be lost together with the first one. */
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
