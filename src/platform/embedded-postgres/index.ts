import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { loadBinaries } from './binaries.ts';
import { ensureCluster, SUPERUSER } from './cluster.ts';
import { EmbeddedPostgresError, onDisk } from './errors.ts';
import { enter, type Membership } from './membership.ts';
import { findPostmaster, type Postmaster } from './postmaster.ts';
import { HOST, POLL_MS, startServer, stopServer } from './server.ts';
import { findLauncher, type Launcher } from './unprivileged.ts';

export { EmbeddedPostgresError } from './errors.ts';

/** Long enough for a crash recovery, and for the end of a server that is shutting down. */
const JOIN_WITHIN_MS = 60_000;

/** The cluster to use. */
export interface EmbeddedPostgresOptions {
  /** Folder of the cluster, such as `<DATA_DIR>/postgres`; made when missing. */
  directory: string;
  /** Password of the superuser `postgres` (scram-sha-256). A cluster keeps its first password. */
  password: string;
  /**
   * Called at most once, when the connection that holds the locks breaks before `leave`: the server was stopped or
   * killed. The gateway lock is lost with it, so a gateway should end.
   */
  onLost?: (error: Error) => void;
}

/** A running cluster that this process has joined. */
export interface EmbeddedPostgres {
  readonly host: typeof HOST;
  /** Different after every start of the server. */
  readonly port: number;
  /** Connection URL of a database of the cluster, as the superuser. It contains the password. */
  url(database: string): string;
  /**
   * Takes the lock of the only gateway, until `leave` or the end of the process. Returns false when another process has
   * it. Waits up to half a second, for the lock of a process that was just killed.
   */
  claimGateway(): Promise<boolean>;
  /**
   * Leaves the cluster. The last process to leave stops the server, so close connection pools first. A process that
   * ends without this call leaves the server running for the next one. Repeated calls are safe.
   *
   * @throws EmbeddedPostgresError when the server does not stop.
   */
  leave(): Promise<void>;
}

/**
 * Joins the PostgreSQL server of a folder. Makes the cluster and starts the server when needed.
 *
 * Any number of processes may join, even at the same time. They share one server, which outlives all of them but the
 * last. The server is a separate process that no signal to the gateway reaches, so requests can drain while it runs.
 *
 * @throws EmbeddedPostgresError when the folder or its content cannot be used, the password is wrong, the programs are
 * not installed, or the server does not start.
 */
export async function joinEmbeddedPostgres({
  directory: folder,
  password,
  onLost = () => undefined,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const directory = resolve(folder);
  const deadline = Date.now() + JOIN_WITHIN_MS;
  const programs = await loadBinaries();
  const parent = dirname(directory);
  await onDisk(parent, () => mkdir(parent, { recursive: true, mode: 0o700 }));

  // Trying the ways to start takes about 10 ms, which is not needed to join a running server.
  let found: Promise<Launcher> | undefined;
  const launcher = () => {
    found ??= findLauncher({ folder: parent, program: programs.postgres });
    return found;
  };
  await ensureCluster({ directory, password, programs, launcher });

  let started: Postmaster | undefined;
  try {
    while (Date.now() < deadline) {
      let running = await onDisk(directory, () => findPostmaster(directory));
      if (running === undefined) {
        started = await startServer({ directory, programs, launcher: await launcher(), deadline });
        running = started;
      }
      if (running?.status === 'ready') {
        const membership = await enter(running, { directory, password, onLost });
        if (membership !== undefined) {
          return joined(running, membership);
        }
      }
      await sleep(POLL_MS);
    }
    throw new EmbeddedPostgresError(
      `DATA_DIR: the PostgreSQL server of ${directory} was not ready within ${JOIN_WITHIN_MS / 1000} s; see server.log in that folder.`,
    );
  } catch (error) {
    // A failed start must not leave an unknown server running.
    if (started !== undefined) {
      await stopServer(directory, started, { programs, launcher }).catch(() => undefined);
    }
    throw error;
  }

  function joined(running: Postmaster, membership: Membership): EmbeddedPostgres {
    let left: Promise<void> | undefined;
    return {
      host: HOST,
      port: running.port,
      url: (database) =>
        `postgresql://${SUPERUSER}:${encodeURIComponent(password)}@${HOST}:${running.port}/${encodeURIComponent(database)}`,
      claimGateway: () => membership.claimGateway(),
      leave() {
        left ??= membership.leave(() => stopServer(directory, running, { programs, launcher }));
        return left;
      },
    };
  }
}
