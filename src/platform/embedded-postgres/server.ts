import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, rename, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Binaries } from './binaries.ts';
import { EmbeddedPostgresError, errorCode, lastLines, onDisk } from './errors.ts';
import { isSameRun, type Postmaster, readPostmaster } from './postmaster.ts';
import { giveTo, type Launcher, run } from './unprivileged.ts';

/** The only IP that the server listens on. */
export const HOST = '127.0.0.1';

/** Milliseconds between two reads of `postmaster.pid`. pg_ctl takes 100, while a start or stop takes 10. */
export const POLL_MS = 10;

/** Milliseconds for a fast shutdown, which only has to write a checkpoint. */
const STOP_WITHIN_MS = 30_000;

/** Size in bytes at which the log is renamed before a start. The previous log is dropped. */
const LOG_LIMIT = 1024 * 1024;

/** The options of a start. */
export interface StartOptions {
  /** Folder of the cluster. */
  directory: string;
  programs: Binaries;
  launcher: Launcher;
  /** When to give up, in the time of `Date.now()`. */
  deadline: number;
}

/**
 * Starts a server in a session of its own, so that Ctrl-C in the gateway's terminal does not reach it.
 *
 * @returns the server once it is ready; undefined when a retry may succeed: another server was faster, processes of a
 * killed server have not ended yet, or the port was taken meanwhile.
 * @throws EmbeddedPostgresError with the last lines of the server when it cannot start.
 */
export async function startServer(options: StartOptions): Promise<Postmaster | undefined> {
  await giveTo(options.launcher, options.directory, { recursive: true });
  const settings = Object.entries({
    listen_addresses: HOST,
    port: await freePort(),
    unix_socket_directories: '',
    // A process uses at most 20. The tests share one server among a dozen or more processes.
    max_connections: 400,
    // Statements and error details contain values: names, e-mail addresses, hashes.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return await onDisk(options.directory, () => withLog(options, settings));
}

async function withLog(options: StartOptions, settings: string[]): Promise<Postmaster | undefined> {
  const path = join(options.directory, 'server.log');
  if ((await stat(path).catch(() => ({ size: 0 }))).size > LOG_LIMIT) {
    await rename(path, `${path}.1`);
  }
  const log = await open(path, 'a+', 0o600);
  try {
    await giveTo(options.launcher, path, { recursive: false });
    const { size } = await log.stat();
    const outcome = await launch(options, settings, log.fd);
    if (typeof outcome === 'object') {
      return outcome;
    }
    // Reads from a fixed position: the server shares our file offset, and has moved it to the end.
    const { buffer, bytesRead } = await log.read(Buffer.alloc(LOG_LIMIT), 0, LOG_LIMIT, size);
    const said = buffer.toString('utf8', 0, bytesRead);
    if (PASSING.test(said)) {
      return undefined;
    }
    throw new EmbeddedPostgresError(
      `DATA_DIR: PostgreSQL does not start on ${options.directory} (${outcome}). Its last lines:\n${lastLines(said)}`,
    );
  } finally {
    await log.close();
  }
}

/** Failures that pass by themselves. The next attempt uses another port. */
const PASSING =
  /lock file "postmaster\.pid" (?:already exists|is empty)|pre-existing shared memory block|could not create any TCP\/IP sockets/;

/** Resolves to the ready server, or to the reason why the attempt ended. */
async function launch(
  { directory, programs, launcher, deadline }: StartOptions,
  settings: string[],
  log: number,
): Promise<Postmaster | string> {
  // Uses pg_ctl only on Windows, where it drops the administrator rights of the server. It polls every 100 ms, and it
  // builds a shell command, where characters of the folder's name can have a special meaning.
  const windows = process.platform === 'win32';
  const server = [programs.postgres, '-D', directory, ...settings];
  const wrapped = [programs.pg_ctl, 'start', '-W', '-D', directory, '-o', settings.join(' ')];
  const [file = '', ...args] = [...launcher.prefix, ...(windows ? wrapped : server)];
  const child = spawn(file, args, { ...launcher.spawn, detached: true, stdio: ['ignore', log, log] });
  child.unref();
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = windows && code === 0 ? undefined : `${signal ?? `exit code ${code}`}`;
  });
  while (ended === undefined) {
    const running = await readPostmaster(directory);
    if (running?.status === 'ready' && (windows || running.pid === child.pid)) {
      return running;
    }
    if (Date.now() > deadline) {
      return 'not ready in time; it may still be recovering, try again later';
    }
    await sleep(POLL_MS);
  }
  return ended;
}

/**
 * Stops a server by a fast shutdown: it closes connections, rolls back transactions and writes all data.
 *
 * @throws EmbeddedPostgresError when this account may not stop it, or it does not stop in time.
 */
export async function stopServer(
  directory: string,
  running: Postmaster,
  { programs, launcher }: { programs: Binaries; launcher: () => Promise<Launcher> },
): Promise<void> {
  if (process.platform === 'win32') {
    await run(await launcher(), programs.pg_ctl, ['stop', '-m', 'fast', '-D', directory]);
    return;
  }
  try {
    process.kill(running.pid, 'SIGINT');
  } catch (cause) {
    if (errorCode(cause) === 'ESRCH') {
      return;
    }
    throw new EmbeddedPostgresError(
      `DATA_DIR: the PostgreSQL server of ${directory} (pid ${running.pid}) belongs to another account and cannot be stopped.`,
      { cause },
    );
  }
  // A server removes this file as its last action.
  for (const deadline = Date.now() + STOP_WITHIN_MS; ; await sleep(POLL_MS)) {
    const left = await readPostmaster(directory);
    if (left === undefined || !isSameRun(left, running)) {
      return;
    }
    if (Date.now() > deadline) {
      throw new EmbeddedPostgresError(
        `DATA_DIR: the PostgreSQL server of ${directory} (pid ${running.pid}) did not stop within ${STOP_WITHIN_MS / 1000} s.`,
      );
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, HOST);
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') {
    throw new EmbeddedPostgresError(`No free TCP port on ${HOST}.`);
  }
  return address.port;
}
