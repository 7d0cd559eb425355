import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { type Binaries, POSTGRES_MAJOR } from './binaries.ts';
import { EmbeddedPostgresError, errorCode, lastLines, onDisk, textOf } from './errors.ts';
import { isAlive } from './postmaster.ts';
import { giveTo, type Launcher, run } from './unprivileged.ts';

/** Name of the only superuser of the cluster. */
export const SUPERUSER = 'postgres';

/** Age after which a temporary folder without a living maker is abandoned. A slow disk needs seconds for initdb. */
const ABANDONED_AFTER_MS = 5 * 60_000;

/** The parts from which a cluster is made. */
export interface ClusterOptions {
  /** Folder of the cluster. Its parent folder exists. */
  directory: string;
  /** The superuser's password. */
  password: string;
  programs: Binaries;
  /** Called only when a cluster must be made. */
  launcher: () => Promise<Launcher>;
}

/**
 * Makes sure that the folder holds a cluster of this major version. Makes one when it is missing or empty.
 *
 * The cluster is made in a temporary folder next to its final one, and then renamed. So the final folder is always
 * complete. Of two processes that begin together, the later one finds the cluster of the other and uses it.
 *
 * @throws EmbeddedPostgresError when the folder holds something else, or the disk refuses.
 */
export async function ensureCluster(options: ClusterOptions): Promise<void> {
  const { directory } = options;
  await removeAbandonedWorkshops(directory);
  if (!(await holdsCluster(directory))) {
    await makeCluster(options);
  }
  await onDisk(directory, () => access(directory, constants.R_OK | constants.W_OK | constants.X_OK));
  const version = (await onDisk(directory, () => readFile(join(directory, 'PG_VERSION'), 'utf8'))).trim();
  if (version !== POSTGRES_MAJOR) {
    throw new EmbeddedPostgresError(
      `DATA_DIR: ${directory} was made by PostgreSQL ${version}, but this is version ${POSTGRES_MAJOR}: dump it with the old version and load it into a new folder, or choose another DATA_DIR.`,
    );
  }
}

async function holdsCluster(directory: string): Promise<boolean> {
  const entries = await onDisk(directory, async () => {
    try {
      return await readdir(directory);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') {
        return [];
      }
      throw error;
    }
  });
  if (entries.length > 0 && !entries.includes('PG_VERSION')) {
    throw new EmbeddedPostgresError(
      `DATA_DIR: ${directory} is neither empty nor a PostgreSQL cluster; choose another DATA_DIR.`,
    );
  }
  return entries.length > 0;
}

async function makeCluster({ directory, password, programs, launcher }: ClusterOptions): Promise<void> {
  const workshop = `${directory}${WORKSHOP}${process.pid}-${randomBytes(4).toString('hex')}`;
  const made = join(workshop, 'cluster');
  const passwordFile = join(workshop, 'password');
  const start = await launcher();
  await onDisk(directory, async () => {
    try {
      await mkdir(workshop, { mode: 0o700 });
      await writeFile(passwordFile, password, { mode: 0o600 });
      await giveTo(start, passwordFile, { recursive: false });
      await giveTo(start, workshop, { recursive: false });
      await initialize(start, programs, { made, passwordFile });
      await moveIntoPlace(made, directory);
    } finally {
      await rm(workshop, { recursive: true, force: true });
    }
  });
}

async function initialize(
  start: Launcher,
  { initdb }: Binaries,
  { made, passwordFile }: { made: string; passwordFile: string },
): Promise<void> {
  try {
    await run(start, initdb, [
      `--pgdata=${made}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // The builtin provider sorts the same on every system. The C library's locales differ, or are missing (musl).
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--set=timezone=UTC',
      '--set=log_timezone=UTC',
    ]);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `DATA_DIR: initdb could not make a PostgreSQL cluster. Its last lines:\n${lastLines(textOf(cause, 'stderr') || String(cause))}`,
      { cause },
    );
  }
}

async function moveIntoPlace(made: string, directory: string): Promise<void> {
  try {
    await rename(made, directory);
  } catch (error) {
    // Windows reports EPERM where POSIX reports ENOTEMPTY or EEXIST.
    if (!(await holdsCluster(directory))) {
      throw error;
    }
  }
}

/** Follows the cluster's name in the name of a temporary folder; the maker's pid comes after it. */
const WORKSHOP = '.initdb-';

/** Removes temporary folders of interrupted starts, which contain the password file. */
async function removeAbandonedWorkshops(directory: string): Promise<void> {
  const folder = dirname(directory);
  const prefix = `${basename(directory)}${WORKSHOP}`;
  for (const name of await onDisk(folder, () => readdir(folder))) {
    const maker = Number.parseInt(name.slice(prefix.length), 10);
    if (name.startsWith(prefix) && maker > 0 && !isAlive(maker)) {
      const path = join(folder, name);
      const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
      if (age > ABANDONED_AFTER_MS) {
        await rm(path, { recursive: true, force: true }).catch(() => undefined);
      }
    }
  }
}
