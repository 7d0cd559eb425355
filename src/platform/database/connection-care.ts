import type { Socket } from 'node:net';
import pg, { type ClientBase, type Pool, type PoolClient } from 'pg';
import { withCommitOutcome } from './commit-outcome.ts';
import { timeLeft } from './operation-deadline.ts';
import { PREPARED } from './statement.ts';

/**
 * Milliseconds for the answer to a statement: one more second than the server itself allows it, so that this only
 * happens when the server is frozen or the network lost the connection.
 */
const ANSWER_DEADLINE = 6_000;
/** Milliseconds for the word that a statement is to be cancelled. */
const CANCEL_TIMEOUT = 2_000;

/** Settings of PostgreSQL for each connection of a pool, by name. */
export type SessionSettings = Readonly<Record<string, number>>;

/**
 * Makes a pool survive a database that freezes or goes away: no request waits for ever, no place is lost.
 * @param settings of each connection. Not in the startup message, which PgBouncer refuses them in.
 */
export function careForPool(pool: Pool, settings: SessionSettings): void {
  pool.on('connect', (client) => {
    const introduced = introduce(client, settings);
    return withCommitOutcome(
      withDeadline(
        withOperationDeadline(leftWhenReadOnly(withPreparedStatements(client, introduced)), pool, introduced),
      ),
      pool,
    );
  });
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  Object.assign(pool, { connect: async () => refusedWhenEnding(releasedWhenDead(await connect()), pool) });
}

/**
 * Kysely 0.29 drops a connection that was made while its pool began to end, and the pool then waits for it for ever.
 * @throws {Error} as the pool itself does for whoever comes a moment later.
 */
function refusedWhenEnding(client: PoolClient, pool: Pool): PoolClient {
  if (!pool.ending) return client;
  client.release();
  throw new Error('Cannot use a pool after calling end on the pool');
}

/** What is known of a connection once its server has answered. */
interface Introduction {
  /** A connection pooler stands in between: the server that answers is not the one that was named. Undefined: not known yet. */
  isPooled?: boolean;
}

/** Sets up a new connection, before its first statement. A failure shows there. */
function introduce(client: ClientBase, settings: SessionSettings): Introduction {
  const introduction: Introduction = {};
  const sets = Object.entries(settings).map(([name, value]) => `set ${name} = ${value};`);
  const { processID } = client as unknown as { processID: number | null };
  client.query(`${sets.join(' ')} select pg_backend_pid() as pid`).then(
    (result: unknown) => {
      const last = (Array.isArray(result) ? result.at(-1) : result) as pg.QueryResult<{ pid: number }>;
      introduction.isPooled = last.rows[0]?.pid !== processID;
    },
    () => {},
  );
  return introduction;
}

/**
 * Sends what preparedStatement made under a name, by which the connection keeps its plan. Not through a pooler: each
 * transaction may get another server, which knows no such name (PgBouncer before 1.21).
 */
function withPreparedStatements<Client extends ClientBase>(
  client: Client,
  introduction: Introduction,
): Client {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const names = new Map<string, string>();
  const named = (text: unknown, ...rest: unknown[]): unknown => {
    if (typeof text !== 'string' || !text.startsWith(PREPARED) || introduction.isPooled !== false)
      return query(text, ...rest);
    const name = names.get(text) ?? `gatehouse_${names.size + 1}`;
    names.set(text, name);
    return query({ name, text, values: rest[0] });
  };
  return Object.assign(client, { query: named });
}

/**
 * Gives every statement of a connection a deadline. When it passes, the connection is destroyed: pg's own
 * `query_timeout` would hand it back to the pool while it still waits, and the next request would wait with it.
 */
export function withDeadline<Client extends ClientBase>(
  client: Client,
  milliseconds = ANSWER_DEADLINE,
): Client {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const limited = (...args: unknown[]): unknown => {
    const result = query(...args);
    if (!isPromise(result)) return result;
    const timer = setTimeout(() => destroyClient(client, late()), milliseconds);
    return result.finally(() => clearTimeout(timer));
  };
  return Object.assign(client, { query: limited });
}

/**
 * What must be said however late it is: it ends a transaction, or begins one. Kysely 0.29 never gives the connection of a
 * ControlledTransaction back whose BEGIN fails; the statement after it is refused, and the ROLLBACK gives it back.
 */
const FRAMES_TRANSACTION = /^\s*(begin|start transaction|commit|rollback)\b/i;

/**
 * Ends the statements of an operation with the operation: the running one is cancelled, the next ones are refused.
 * Its connection stays good for others.
 */
function withOperationDeadline<Client extends ClientBase>(
  client: Client,
  pool: Pool,
  introduction: Introduction,
): Client {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const limited = (...args: unknown[]): unknown => {
    const left = timeLeft();
    if (left === Number.POSITIVE_INFINITY || FRAMES_TRANSACTION.test(textOf(args[0]))) return query(...args);
    if (left <= 0) return Promise.reject(late('the operation is past its deadline'));
    const result = query(...args);
    if (!isPromise(result)) return result;
    let cancelling: Promise<void> | undefined;
    const timer = setTimeout(() => {
      // The process that a pooler names serves somebody else by now, or nobody.
      if (introduction.isPooled !== false) return;
      cancelling = cancel(client, pool).catch(() => {});
    }, left);
    return result.finally(() => {
      clearTimeout(timer);
      // Not before: it would hit what the connection does for the next one.
      return cancelling;
    });
  };
  return Object.assign(client, { query: limited });
}

/** SQLSTATE of a write that the server refuses since it only reads. */
const READ_ONLY = '25006';

/** A server that was demoted keeps its connections, and a busy pool would keep them for ever: the next one may lead elsewhere. */
function leftWhenReadOnly<Client extends ClientBase>(client: Client): Client {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const watched = (...args: unknown[]): unknown => {
    const result = query(...args);
    if (!isPromise(result)) return result;
    return result.catch((error: unknown) => {
      if ((error as { code?: unknown } | null)?.code === READ_ONLY) destroyClient(client);
      throw error;
    });
  };
  return Object.assign(client, { query: watched });
}

/** A connection of its own to where those of the pool go. */
export function newClient(pool: Pool, options: pg.ClientConfig): pg.Client {
  const Client = (pool.options.Client ?? pg.Client) as typeof pg.Client;
  return new Client({ ...pool.options, ...options });
}

/** By a connection of its own: the pool may be empty. When it fails, the statement has the deadline of the server. */
async function cancel(client: ClientBase, pool: Pool): Promise<void> {
  const { processID } = client as unknown as { processID: number | null };
  const messenger = newClient(pool, { query_timeout: CANCEL_TIMEOUT });
  messenger.on('error', () => {});
  try {
    await messenger.connect();
    await messenger.query('select pg_cancel_backend($1)', [processID]);
  } finally {
    destroyClient(messenger);
  }
}

const textOf = (query: unknown): string =>
  typeof query === 'string' ? query : String((query as { text?: unknown } | undefined)?.text ?? '');

/** Cuts a connection at once. pg's `end` waits for the server, which for a frozen one is for ever. */
export function destroyClient(client: ClientBase, error?: Error): void {
  const { connection } = client as unknown as { connection: { stream: Socket } };
  connection.stream.destroy(error);
}

/**
 * Gives the place of a connection that died back to the pool. Kysely 0.29 does not when BEGIN, COMMIT or ROLLBACK
 * fail (ControlledTransaction): each failure would cost a place until the process is started again.
 */
function releasedWhenDead(client: PoolClient): PoolClient {
  const release = client.release.bind(client);
  let released = false;
  const releaseOnce = (destroy?: Error | boolean): void => {
    if (released) return;
    released = true;
    client.off('end', onEnd);
    release(destroy);
  };
  const onEnd = (): void => releaseOnce(true);
  client.once('end', onEnd);
  return Object.assign(client, { release: releaseOnce });
}

const late = (what = 'the database did not answer in time'): Error =>
  Object.assign(new Error(what), { code: 'ETIMEDOUT' });

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof (value as Partial<Promise<unknown>> | undefined)?.finally === 'function';
