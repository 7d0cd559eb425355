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

/** The only address that the server listens on. */
export const HOST = '127.0.0.1';

/** Milliseconds between two looks at `postmaster.pid`; pg_ctl takes 100, and a start or stop lasts 10. */
export const POLL_MS = 10;

/** A fast shutdown only has to write a checkpoint. */
const STOP_WITHIN_MS = 30_000;

/** At this size, in bytes, the log is renamed before a start; the one before it is dropped. */
const LOG_LIMIT = 1024 * 1024;

/** What a server is started with. */
export interface StartOptions {
  /** Folder of the cluster. */
  directory: string;
  programs: Binaries;
  launcher: Launcher;
  /** When to give up, as `Date.now()` counts. */
  deadline: number;
}

/**
 * Starts a server in a session of its own, so that Ctrl-C in our terminal does not reach it.
 *
 * @returns the server once it is ready; undefined when it did not start but may the next time: another one came first,
 * processes of a killed one have not ended yet, or the port was taken meanwhile.
 * @throws EmbeddedPostgresError with the server's last words when it cannot start.
 */
export async function startServer(options: StartOptions): Promise<Postmaster | undefined> {
  await giveTo(options.launcher, options.directory, { recursive: true });
  const settings = Object.entries({
    listen_addresses: HOST,
    port: await freePort(),
    unix_socket_directories: '',
    // A process takes 20 at most; the tests share one server among a dozen and more.
    max_connections: 400,
    // Statements and details of errors hold values: names, addresses, hashes.
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
    // By position: the server shares our place in the file, and has moved it to the end.
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

/** Refusals that go away by themselves; the next attempt takes another port. */
const PASSING =
  /lock file "postmaster\.pid" (?:already exists|is empty)|pre-existing shared memory block|could not create any TCP\/IP sockets/;

/** Resolves to the ready server, or to how the attempt ended. */
async function launch(
  { directory, programs, launcher, deadline }: StartOptions,
  settings: string[],
  log: number,
): Promise<Postmaster | string> {
  // Not by pg_ctl: that builds a shell command, in which a folder's name may mean something, and looks every 100 ms.
  // On Windows it is needed, since it takes administrator rights away from the server.
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
 * Stops a server by a fast shutdown: connections are closed, transactions rolled back, everything is written.
 *
 * @throws EmbeddedPostgresError when it may not be stopped by this account, or does not stop in time.
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
  // Removing this file is the last thing that a server does.
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
