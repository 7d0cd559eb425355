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

/** How the PostgreSQL programs are started, so that none of them sees that it runs for uid 0: they refuse that. */
export interface Launcher {
  /** Who must own the cluster's files. Undefined: this is not root, whoever runs the process owns them. */
  readonly owner: Account | undefined;
  /** What goes before the program on the command line. */
  readonly prefix: readonly string[];
  /** Further options for `spawn` and `execFile`. */
  readonly spawn: { readonly env?: Record<string, string>; readonly uid?: number; readonly gid?: number };
}

/**
 * The smallest environment that works, rather than ours: secrets of the gateway do not belong to the server, PG*
 * variables must not steer it, and `LC_ALL=C` keeps its messages in English and starts it on macOS. Windows
 * programs need variables of the system, so there ours is inherited.
 */
const ENVIRONMENT: Pick<Launcher['spawn'], 'env'> =
  process.platform === 'win32' ? {} : { env: { LC_ALL: 'C', PATH: '/usr/bin:/bin:/usr/sbin:/sbin' } };

/** geteuid() is 65534 (nobody) in there while the kernel goes on checking file access for uid 0. util-linux 2.36. */
const UNSHARE = ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--'] as const;

/** Accounts to run as where user namespaces are not allowed, the better one first. */
const ACCOUNTS = ['postgres', 'nobody'] as const;

/** How to start the programs; `unshare` names the command to try first as root. */
export interface LauncherOptions {
  /** The folder that holds the cluster's folder; it exists. */
  folder: string;
  /** A program of the cluster. */
  program: string;
  /** The command that makes a user namespace; tests replace it. */
  unshare?: readonly string[];
}

/**
 * Finds a way to start the programs that is tried out and works.
 *
 * @throws EmbeddedPostgresError when this is root and no way leads to both the programs and the folder.
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
 * Runs a program to its end and resolves to what it wrote.
 *
 * @throws the error of `execFile`, with `stdout` and `stderr`, when it fails.
 */
export async function run(launcher: Launcher, program: string, args: readonly string[]): Promise<string> {
  const [file = program, ...rest] = [...launcher.prefix, program, ...args];
  const { stdout } = await execute(file, rest, { ...launcher.spawn, maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}

/** Gives a folder, alone or with all in it, to the account that the programs run as. Without effect if not root. */
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
    // -h: a link inside must not hand a file outside to another account.
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
