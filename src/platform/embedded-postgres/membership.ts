import { Client, DatabaseError } from 'pg';

import { SUPERUSER } from './cluster.ts';
import { EmbeddedPostgresError, errorCode } from './errors.ts';
import { isSameRun, PID_FILE, type Postmaster, parsePostmaster } from './postmaster.ts';
import { HOST } from './server.ts';

/**
 * Advisory locks of the database `postgres`; the class is "gate" in ASCII. They end with their connection, so a killed
 * process cannot leave one behind.
 */
const LOCK_CLASS = 0x67617465;
/** Shared by all members of the cluster. The member that stops the server holds it exclusively. */
const MEMBERS = 1;
/** Held by the only gateway. */
const GATEWAY = 2;

/** Milliseconds to wait for a lock: the server may not have noticed yet that the holder was killed. */
const LOCK_TIMEOUT_MS = 500;
const LOCK_NOT_AVAILABLE = '55P03';
const INVALID_PASSWORD = '28P01';

/** Membership of a process in a running cluster: one connection with its locks. */
export interface Membership {
  /** Takes the gateway lock; false when another process has it. */
  claimGateway(): Promise<boolean>;
  /** Releases all locks. If there is no other member, calls `stop` while new members must wait. */
  leave(stop: () => Promise<void>): Promise<void>;
}

/** The facts that `enter` needs. */
export interface EnterOptions {
  directory: string;
  password: string;
  /** Called once when the connection breaks before `leave`. */
  onLost: (error: Error) => void;
}

/**
 * Becomes a member of a server.
 *
 * @returns undefined when the server is gone, is about to stop, or is another one on the same port: look again and
 * retry.
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
    // Read the status only after taking the lock. A stopping server writes "stopping" before it closes its first
    // connection, and so before this process could get the lock of the member that stops it.
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
        `DATA_DIR: the PostgreSQL cluster in ${directory} has another password than the one in use. Restore the secrets that it was made with, or choose another DATA_DIR.`,
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

/**
 * Gives up membership, then tries to take the lock exclusively. Of several members that do this together, exactly one
 * succeeds.
 */
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
 * Whether an error may pass: a connection failure (pg sets no code on its own errors), a server that starts or stops
 * (class 57; 57014 for a connection that is still authenticating), or a busy lock or slot.
 */
function isPassing(error: unknown): boolean {
  const code = errorCode(error) ?? '';
  return error instanceof DatabaseError
    ? code.startsWith('57') || code === LOCK_NOT_AVAILABLE || code === '53300'
    : code === '' || code.startsWith('E');
}
