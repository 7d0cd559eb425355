import type { Socket } from 'node:net';
import type { ClientBase, Pool, PoolClient } from 'pg';
import { PREPARED } from './statement.ts';

/**
 * Milliseconds for the answer to a statement: one more second than the server itself allows it, so that this only
 * happens when the server is frozen or the network lost the connection.
 */
const ANSWER_DEADLINE = 6_000;

/** Makes a pool survive a database that freezes or goes away: no request waits for ever, no place is lost. */
export function careForPool(pool: Pool): void {
  pool.on('connect', (client) => withDeadline(withPreparedStatements(client)));
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  Object.assign(pool, { connect: async () => releasedWhenDead(await connect()) });
}

/** Sends what preparedStatement made under a name, by which the connection keeps its plan. */
function withPreparedStatements<Client extends ClientBase>(client: Client): Client {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const names = new Map<string, string>();
  const named = (text: unknown, ...rest: unknown[]): unknown => {
    if (typeof text !== 'string' || !text.startsWith(PREPARED)) return query(text, ...rest);
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

const late = (): Error =>
  Object.assign(new Error('the database did not answer in time'), { code: 'ETIMEDOUT' });

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof (value as Partial<Promise<unknown>> | undefined)?.finally === 'function';
