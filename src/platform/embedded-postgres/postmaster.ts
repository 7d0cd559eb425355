import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { link, readFile, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { errorCode } from './errors.ts';

/** The description that a server writes of itself in `postmaster.pid` (PostgreSQL: src/include/utils/pidfile.h). */
export interface Postmaster {
  /** 0: the file was just made and is still empty. */
  readonly pid: number;
  /** Start time of the server, in Unix seconds, as written. */
  readonly startedAt: string;
  readonly port: number;
  readonly status: 'starting' | 'ready' | 'stopping';
}

/**
 * A server writes its pid right after making the file. A file that stays empty means that the machine stopped in
 * between.
 */
const EMPTY_FOR_MS = 5_000;

/** The file in which the server of a cluster describes itself. */
export const PID_FILE = 'postmaster.pid';

/** Parses the text of a `postmaster.pid`. Undefined when it is still empty. */
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

/** Reads `postmaster.pid`, without checking that its server runs. */
export async function readPostmaster(directory: string): Promise<Postmaster | undefined> {
  const text = await readPidFile(directory);
  return text === undefined ? undefined : parsePostmaster(text);
}

/** Finds the server that runs on the cluster, in any state. Removes the traces of a server that was killed. */
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

/** Whether a process has this pid, of any account. */
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
 * Whether the process is a server on this folder. PostgreSQL itself only checks whether the pid is in use, and refuses
 * to start when it is. After a reboot, and in a container, another program often has that pid.
 */
async function runsOn(directory: string, pid: number): Promise<boolean> {
  if (!isAlive(pid)) {
    return false;
  }
  const real = await realpath(directory);
  if (process.platform === 'linux') {
    // A server's working folder is its cluster. ENOENT and ESRCH: it ended, or is a zombie.
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
 * Removes the file of a server that is gone. PostgreSQL would do so itself. But two servers that start together can
 * both find the file stale, and the slower one then removes the new file of the faster ("does not entirely ensure
 * that", sysv_shmem.c). So the file is moved aside first, and moved back when it is another one.
 *
 * Living processes of a killed server are still detected: their shared memory, which is tied to the folder's inode,
 * prevents a new server from starting.
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
