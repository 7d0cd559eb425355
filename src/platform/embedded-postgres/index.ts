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

/** Long enough for the recovery after a crash, and for a server that is shutting down to end first. */
const JOIN_WITHIN_MS = 60_000;

/** Which cluster to use. */
export interface EmbeddedPostgresOptions {
  /** Folder of the cluster, such as `<DATA_DIR>/postgres`; made when missing. */
  directory: string;
  /** Password of the superuser `postgres` (scram-sha-256). A cluster keeps the one that it was made with. */
  password: string;
  /**
   * Called at most once, when the connection that holds the locks breaks before `leave`: the server was stopped or
   * killed. The gateway lock is lost with it, so a gateway should end.
   */
  onLost?: (error: Error) => void;
}

/** A running cluster that this process takes part in. */
export interface EmbeddedPostgres {
  readonly host: typeof HOST;
  /** Changes with every start of the server. */
  readonly port: number;
  /** Connection URL, as the superuser, of a database of the cluster. It contains the password. */
  url(database: string): string;
  /**
   * Takes the lock of the one gateway until `leave` or the end of the process: false when another process has it.
   * A lock whose holder was killed just now is waited for, half a second at most.
   */
  claimGateway(): Promise<boolean>;
  /**
   * Leaves the cluster; the last process to leave stops the server, so close connection pools first. A process that
   * ends without it leaves the server running for the next one. May be called again.
   *
   * @throws EmbeddedPostgresError when the server does not stop.
   */
  leave(): Promise<void>;
}

/**
 * Joins the PostgreSQL server of a folder; makes the cluster and starts the server where that has not been done.
 *
 * Any number of processes may join, at the same time too: they share one server, which outlives each of them but the
 * last. It is a process of its own that no signal to us reaches: requests can drain while it goes on.
 *
 * @throws EmbeddedPostgresError when the folder or its content cannot be used, the password is another one, the
 * programs are not installed, or the server does not start.
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

  // Trying out the ways to start takes some 10 ms, which joining a running server need not spend.
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
    // A start that fails must not leave a server behind that nobody knows of.
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
