import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { link, readFile, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { errorCode } from './errors.ts';

/** What a server says of itself in `postmaster.pid` (PostgreSQL: src/include/utils/pidfile.h). */
export interface Postmaster {
  /** 0: the file has just been made and is still empty. */
  readonly pid: number;
  /** Start of the server, Unix seconds, as written. */
  readonly startedAt: string;
  readonly port: number;
  readonly status: 'starting' | 'ready' | 'stopping';
}

/** A server writes its pid right after making the file; empty for longer means that the machine stopped in between. */
const EMPTY_FOR_MS = 5_000;

/** Where the server of a cluster describes itself. */
export const PID_FILE = 'postmaster.pid';

/** Reads the text of a `postmaster.pid`. Undefined: it says nothing yet. */
export function parsePostmaster(text: string): Postmaster | undefined {
  const [pid, , startedAt = '', port, , , , status = ''] = text.split('\n').map((line) => line.trim());
  if (!(Number(pid) > 0)) {
    return undefined;
  }
  return {
    pid: Number(pid),
    startedAt,
    port: Number(port),
    status: status === 'ready' || status === 'stopping' ? status : 'starting',
  };
}

/** Whether both describe the same run of a server. */
export function isSameRun(one: Postmaster, other: Postmaster): boolean {
  return one.pid === other.pid && one.startedAt === other.startedAt;
}

/** What `postmaster.pid` says, true or not. */
export async function readPostmaster(directory: string): Promise<Postmaster | undefined> {
  const text = await readPidFile(directory);
  return text === undefined ? undefined : parsePostmaster(text);
}

/** The server that runs on the cluster, in whatever state. Removes the traces of one that was killed. */
export async function findPostmaster(directory: string): Promise<Postmaster | undefined> {
  const text = await readPidFile(directory);
  if (text === undefined) {
    return undefined;
  }
  const described = parsePostmaster(text);
  if (described === undefined) {
    const age = Date.now() - (await stat(join(directory, PID_FILE)).catch(() => ({ mtimeMs: 0 }))).mtimeMs;
    if (age < EMPTY_FOR_MS) {
      return { pid: 0, startedAt: '', port: 0, status: 'starting' };
    }
  } else if (await runsOn(directory, described.pid)) {
    return described;
  }
  await removePidFile(directory, text);
  return undefined;
}

/** Whether a process has this pid; one of another account counts too. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

async function readPidFile(directory: string): Promise<string | undefined> {
  try {
    return await readFile(join(directory, PID_FILE), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

/**
 * Whether the process is a server on this folder. PostgreSQL itself only asks whether the pid is in use, and refuses to
 * start when it is; after a reboot, and in a container, it often is, by something else.
 */
async function runsOn(directory: string, pid: number): Promise<boolean> {
  if (!isAlive(pid)) {
    return false;
  }
  const real = await realpath(directory);
  if (process.platform === 'linux') {
    // A server's working folder is its cluster. ENOENT, ESRCH: ended, or a zombie that nobody has collected.
    try {
      return (await readlink(`/proc/${pid}/cwd`)) === real;
    } catch (error) {
      return !['ENOENT', 'ESRCH'].includes(errorCode(error) ?? '');
    }
  }
  if (process.platform === 'win32') {
    return true;
  }
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-p', String(pid), '-o', 'args=']).catch(() => ({
    stdout: '',
  }));
  return stdout.includes(real);
}

/**
 * Takes away the file of a server that is gone. PostgreSQL would do so itself, but two that start at once can both find
 * it stale, and the slower one then unlinks the new file of the faster ("does not entirely ensure that", sysv_shmem.c).
 * Here the file is moved aside first, and moved back when it turns out to be another one.
 *
 * Processes of the killed server that still live are not overlooked: their shared memory, which the folder's inode
 * names, keeps a new server from starting.
 */
async function removePidFile(directory: string, expected: string): Promise<void> {
  const path = join(directory, PID_FILE);
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      return;
    }
    throw error;
  }
  if ((await readFile(aside, 'utf8')) !== expected) {
    await link(aside, path).catch(() => undefined);
  }
  await rm(aside, { force: true });
}
