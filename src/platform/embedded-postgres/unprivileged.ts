import { execFile } from 'node:child_process';
import { chown, lstat, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

import { EmbeddedPostgresError, onDisk } from './errors.ts';

const execute = promisify(execFile);

/** An account of the operating system. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** How the PostgreSQL programs are started. They refuse to run as uid 0, so they must not see it. */
export interface Launcher {
  /**
   * The account that must own the cluster's files. Undefined when the gateway does not run as root: then its own
   * account owns them.
   */
  readonly owner: Account | undefined;
  /** Arguments before the program on the command line. */
  readonly prefix: readonly string[];
  /** Further options for `spawn` and `execFile`. */
  readonly spawn: { readonly env?: Record<string, string>; readonly uid?: number; readonly gid?: number };
}

/**
 * The smallest environment that works. The gateway's own environment has secrets that the server must not get, and PG*
 * variables that would steer it. `LC_ALL=C` keeps its messages in English and lets it start on macOS. Windows programs
 * need variables of the system, so they inherit the environment.
 */
const ENVIRONMENT: Pick<Launcher['spawn'], 'env'> =
  process.platform === 'win32' ? {} : { env: { LC_ALL: 'C', PATH: '/usr/bin:/bin:/usr/sbin:/sbin' } };

/** Inside, geteuid() is 65534 (nobody), while the kernel still checks file access for uid 0. Needs util-linux 2.36. */
const UNSHARE = ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--'] as const;

/** Accounts to use when user namespaces are not allowed, in order of preference. */
const ACCOUNTS = ['postgres', 'nobody'] as const;

/** The options of `findLauncher`. `unshare` is the command that root tries first. */
export interface LauncherOptions {
  /** The parent folder of the cluster's folder; it exists. */
  folder: string;
  /** A program of the cluster. */
  program: string;
  /** The command that makes a user namespace. Tests replace it. */
  unshare?: readonly string[];
}

/**
 * Finds a way to start the programs, and tries it out.
 *
 * @throws EmbeddedPostgresError when the gateway runs as root and no way reaches both the programs and the folder.
 */
export async function findLauncher({
  folder,
  program,
  unshare = UNSHARE,
}: LauncherOptions): Promise<Launcher> {
  if (process.getuid?.() !== 0) {
    return { owner: undefined, prefix: [], spawn: ENVIRONMENT };
  }
  const candidates: Launcher[] = [{ owner: { uid: 0, gid: 0 }, prefix: unshare, spawn: ENVIRONMENT }];
  for (const account of await accounts()) {
    candidates.push({ owner: account, prefix: [], spawn: { ...ENVIRONMENT, ...account } });
  }
  for (const candidate of candidates) {
    if (await works(candidate, folder, program)) {
      return candidate;
    }
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL refuses to run as root, and no other account can reach both ${folder} and ${program}: run Gatehouse as an ordinary user, or set DATABASE_URL.`,
  );
}

/**
 * Runs a program to its end and resolves to its output.
 *
 * @throws the error of `execFile`, with `stdout` and `stderr`, when it fails.
 */
export async function run(launcher: Launcher, program: string, args: readonly string[]): Promise<string> {
  const [file = program, ...rest] = [...launcher.prefix, program, ...args];
  const { stdout } = await execute(file, rest, { ...launcher.spawn, maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}

/** Gives a folder, alone or with its content, to the account that runs the programs. Without effect unless root. */
export async function giveTo(
  { owner }: Launcher,
  path: string,
  { recursive }: { recursive: boolean },
): Promise<void> {
  if (owner === undefined || (await lstat(path)).uid === owner.uid) {
    return;
  }
  if (!recursive) {
    await onDisk(path, () => chown(path, owner.uid, owner.gid));
    return;
  }
  try {
    // -h: a link inside must not give a file outside to another account.
    await execute('chown', ['-R', '-h', `${owner.uid}:${owner.gid}`, path]);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `DATA_DIR: ${path} cannot be given to the account that PostgreSQL runs as (uid ${owner.uid}): run Gatehouse as an ordinary user, or set DATABASE_URL.`,
      { cause },
    );
  }
}

async function works(launcher: Launcher, folder: string, program: string): Promise<boolean> {
  try {
    await run(launcher, '/bin/sh', ['-c', 'cd "$1" && exec "$2" --version', 'sh', folder, program]);
    return true;
  } catch {
    return false;
  }
}

async function accounts(): Promise<Account[]> {
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n');
  return ACCOUNTS.flatMap((name) => {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    return Number(uid) > 0 ? [{ uid: Number(uid), gid: Number(gid) }] : [];
  });
}
