import { Client, DatabaseError } from 'pg';

import { SUPERUSER } from './cluster.ts';
import { EmbeddedPostgresError, errorCode } from './errors.ts';
import { isSameRun, PID_FILE, type Postmaster, parsePostmaster } from './postmaster.ts';
import { HOST } from './server.ts';

/**
 * Advisory locks of the database `postgres`: the class is "gate" in ASCII. They end with the connection that holds them,
 * so a process that is killed cannot leave one behind.
 */
const LOCK_CLASS = 0x67617465;
/** Shared by all that use the cluster; held alone by the one that stops the server. */
const MEMBERS = 1;
/** Held by the one gateway. */
const GATEWAY = 2;

/** Milliseconds to wait for a lock: the server may not have noticed yet that the process that held it was killed. */
const LOCK_TIMEOUT_MS = 500;
const LOCK_NOT_AVAILABLE = '55P03';
const INVALID_PASSWORD = '28P01';

/** One connection, and the locks on it, by which a process takes part in a running cluster. */
export interface Membership {
  /** Takes the gateway lock; false when another process has it. */
  claimGateway(): Promise<boolean>;
  /** Gives up all locks; when nobody else is a member, calls `stop` while newcomers have to wait. */
  leave(stop: () => Promise<void>): Promise<void>;
}

/** What is needed to become a member. */
export interface EnterOptions {
  directory: string;
  password: string;
  /** Called once when the connection breaks before `leave`. */
  onLost: (error: Error) => void;
}

/**
 * Becomes a member of a server.
 *
 * @returns undefined when the server is not there any more, is about to stop, or is another one on the same port: look
 * again and retry.
 * @throws EmbeddedPostgresError when the password is wrong.
 */
export async function enter(
  running: Postmaster,
  { directory, password, onLost }: EnterOptions,
): Promise<Membership | undefined> {
  const client = new Client({
    host: HOST,
    port: running.port,
    user: SUPERUSER,
    password,
    database: 'postgres',
    ssl: false,
    application_name: 'gatehouse embedded-postgres',
    connectionTimeoutMillis: 5_000,
    lock_timeout: LOCK_TIMEOUT_MS,
  });
  let state: 'entering' | 'member' | 'left' = 'entering';
  client.on('error', (error) => {
    const wasMember = state === 'member';
    state = 'left';
    if (wasMember) {
      onLost(error);
    }
  });
  const close = async () => {
    state = 'left';
    await client.end().catch(() => undefined);
  };

  try {
    await client.connect();
    await client.query('SELECT pg_advisory_lock_shared($1, $2)', [LOCK_CLASS, MEMBERS]);
    // Only a look after the lock counts: a server writes "stopping" before it closes the first connection, and so
    // before the lock of the one that stops it can fall to us.
    const { rows } = await client.query<{ text: string | null }>('SELECT pg_read_file($1, true) AS text', [
      PID_FILE,
    ]);
    const reached = parsePostmaster(rows[0]?.text ?? '');
    if (reached === undefined || !isSameRun(reached, running) || reached.status !== 'ready') {
      await close();
      return undefined;
    }
  } catch (error) {
    await close();
    if (isPassing(error)) {
      return undefined;
    }
    if (errorCode(error) === INVALID_PASSWORD) {
      throw new EmbeddedPostgresError(
        `DATA_DIR: the PostgreSQL cluster in ${directory} has another password than the one in use; bring back the secrets that it was made with, or choose another DATA_DIR.`,
        { cause: error },
      );
    }
    throw error;
  }
  state = 'member';

  return {
    async claimGateway() {
      try {
        await client.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, GATEWAY]);
        return true;
      } catch (error) {
        if (errorCode(error) === LOCK_NOT_AVAILABLE) {
          return false;
        }
        throw error;
      }
    },
    async leave(stop) {
      if (state !== 'member') {
        return;
      }
      state = 'left';
      try {
        if (await isLast(client)) {
          await stop();
        }
      } finally {
        await close();
      }
    },
  };
}

/** Gives up membership, then tries to be alone. Of several that do this at once exactly one succeeds. */
async function isLast(client: Client): Promise<boolean> {
  try {
    await client.query('SELECT pg_advisory_unlock_shared($1, $2)', [LOCK_CLASS, MEMBERS]);
    const { rows } = await client.query<{ last: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS last', [
      LOCK_CLASS,
      MEMBERS,
    ]);
    return rows[0]?.last === true;
  } catch (error) {
    if (isPassing(error)) {
      return false;
    }
    throw error;
  }
}

/**
 * Connection trouble (pg gives its own errors no code), starting up or shutting down (class 57; the one for a connection
 * that is still authenticating then is 57014), lock or slot busy.
 */
function isPassing(error: unknown): boolean {
  const code = errorCode(error) ?? '';
  return error instanceof DatabaseError
    ? code.startsWith('57') || code === LOCK_NOT_AVAILABLE || code === '53300'
    : code === '' || code.startsWith('E');
}
