/**
 * The embedded PostgreSQL cannot be used. The message is one sentence for the operator, followed by log lines when the
 * server wrote some. It never contains the password.
 */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

/**
 * The system's error code (`EACCES`, `ENOENT` ...) or PostgreSQL's SQLSTATE, when the thrown value has one. Does not
 * use `instanceof Error`: under Jest, system errors come from another realm.
 */
export function errorCode(error: unknown): string | undefined {
  return textOf(error, 'code');
}

/** A property of a thrown value, when it exists and is text. */
export function textOf(error: unknown, property: string): string | undefined {
  const value: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, property) : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** Runs disk work. Turns a system error into one sentence that names DATA_DIR, `path` and the code. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined || error instanceof EmbeddedPostgresError) {
      throw error;
    }
    throw new EmbeddedPostgresError(`DATA_DIR: ${path} ${REFUSALS[code] ?? 'cannot be used'} (${code}).`, {
      cause: error,
    });
  }
}

const REFUSALS: Readonly<Record<string, string>> = {
  EACCES: 'cannot be written',
  EPERM: 'cannot be written',
  EROFS: 'cannot be written, its file system is read-only',
  ENOSPC: 'cannot be written, the disk is full',
  EDQUOT: 'cannot be written, the disk quota is used up',
  ENOTDIR: 'is not a folder',
  EEXIST: 'is not a folder',
};

/** The last lines of a log, for the end of an error message. */
export function lastLines(text: string, count = 6): string {
  return text.trim().split(/\r?\n/).slice(-count).join('\n');
}
