import type { Socket } from 'node:net';
import pg, { type ClientBase, type Pool, type PoolClient } from 'pg';
import { withCommitOutcome } from './commit-outcome.ts';
import { databaseConnections } from './metrics.ts';
import { timeLeft } from './operation-deadline.ts';
import { PREPARED } from './statement.ts';
import { withTelemetry } from './statement-telemetry.ts';

/**
 * Milliseconds for the answer to a statement: one second more than the statement timeout of the server. So it passes
 * only when the server is frozen or the network lost the connection.
 */
const ANSWER_DEADLINE = 6_000;
/** Milliseconds for sending the cancellation of a statement. */
const CANCEL_TIMEOUT = 2_000;

/** Settings of PostgreSQL for each connection of a pool, by name. */
export type SessionSettings = Readonly<Record<string, number>>;

/**
 * Makes a pool survive a database that freezes or goes away: no request waits for ever, and no place of the
 * pool is lost.
 * @param settings of each connection. They are sent after the start, because PgBouncer refuses them in the
 * startup message.
 */
export function careForPool(pool: Pool, settings: SessionSettings): void {
  pool.on('connect', (client) => {
    const introduced = introduce(client, settings);
    return withTelemetry(
      withCommitOutcome(
        withDeadline(
          withOperationDeadline(
            leftWhenReadOnly(withPreparedStatements(client, introduced)),
            pool,
            introduced,
          ),
        ),
        pool,
      ),
    );
  });
  databaseConnections.readBy(() => [
    { value: pool.totalCount - pool.idleCount, labels: { state: 'busy' } },
    { value: pool.idleCount, labels: { state: 'idle' } },
    { value: pool.waitingCount, labels: { state: 'waiting' } },
  ]);
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  Object.assign(pool, { connect: async () => refusedWhenEnding(releasedWhenDead(await connect()), pool) });
}

/**
 * Releases a connection that was made while its pool began to end. Kysely 0.29 drops that connection, and the pool then
 * waits for it for ever.
 * @throws {Error} the same as the pool itself a moment later.
 */
function refusedWhenEnding(client: PoolClient, pool: Pool): PoolClient {
  if (!pool.ending) return client;
  client.release();
  throw new Error('Cannot use a pool after calling end on the pool');
}

/** Facts about a connection that are known once its server has answered. */
interface Introduction {
  /** Whether the URL leads to a connection pooler instead of the server itself. Undefined: not known yet. */
  isPooled?: boolean;
}

/** Sets up a new connection before its first statement, which also shows a failure of the setup. */
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
 * Sends the statements of preparedStatement under a name, so that the connection keeps their plan. Behind a pooler the
 * statements have no name, because each transaction may get another server, which does not know the name (PgBouncer
 * before 1.21).
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
 * Gives every statement of a connection a deadline. When the deadline passes, the connection is destroyed: pg's own
 * `query_timeout` would return it to the pool while it still waits for the answer, and the next request would wait too.
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
 * Statements that are sent even after the deadline: they end a transaction, or begin one. Kysely 0.29 never returns the
 * connection of a ControlledTransaction whose BEGIN fails. After a BEGIN, the next statement is refused, and the
 * ROLLBACK returns the connection.
 */
const FRAMES_TRANSACTION = /^\s*(begin|start transaction|commit|rollback)\b/i;

/**
 * Ends the statements of an operation at its deadline: the running one is cancelled, the next ones are refused. The
 * connection stays usable.
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
      // Behind a pooler, the server process may serve another client by now, or none.
      if (introduction.isPooled !== false) return;
      cancelling = cancel(client, pool).catch(() => {});
    }, left);
    return result.finally(() => {
      clearTimeout(timer);
      // Wait for the cancellation, or it could hit the next statement of this connection.
      return cancelling;
    });
  };
  return Object.assign(client, { query: limited });
}

/** SQLSTATE of a write that a read-only server refuses. */
const READ_ONLY = '25006';

/**
 * Destroys a connection to a read-only server. A demoted server keeps its connections, and a busy pool would keep them
 * for ever. A new connection may lead to the primary.
 */
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

/** A separate connection to the server of the pool. */
export function newClient(pool: Pool, options: pg.ClientConfig): pg.Client {
  const Client = (pool.options.Client ?? pg.Client) as typeof pg.Client;
  return new Client({ ...pool.options, ...options });
}

/**
 * Cancels a statement on a separate connection, since the pool may be empty. If that fails, the statement timeout of
 * the server applies.
 */
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

/** Cuts a connection at once. pg's `end` waits for the server, for ever if it is frozen. */
export function destroyClient(client: ClientBase, error?: Error): void {
  const { connection } = client as unknown as { connection: { stream: Socket } };
  connection.stream.destroy(error);
}

/**
 * Returns the place of a dead connection to the pool. Kysely 0.29 does not when BEGIN, COMMIT or ROLLBACK fail
 * (ControlledTransaction): each failure would cost a place until the process restarts.
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
