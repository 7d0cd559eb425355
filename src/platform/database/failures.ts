import {
  ConnectionException,
  DriverException,
  LockWaitTimeoutException,
  UniqueConstraintViolationException,
} from '@mikro-orm/core';

/**
 * SQLSTATE classes and codes (PostgreSQL appendix A) of failures that may pass: connection failure,
 * insufficient resources, operator intervention, serialization failure, deadlock, lock not available. Two
 * more are included: a transaction that PostgreSQL ended because this process continued it too late, and a
 * server that is read-only because it was demoted or its disk is full. A protocol violation (08P01) is
 * excluded: PostgreSQL refuses a text that it cannot store with it.
 */
const NOT_NOW = /^(08(?!P01)|53|57P|57014|40001|40P01|55P03|25006|25P03)/;
/**
 * Codes that mean the same only when they end the connection: 08P01 from PgBouncer without its server, 55000 from a
 * database that takes no connections at the moment.
 */
const NOT_NOW_IF_FATAL: ReadonlySet<unknown> = new Set(['08P01', '55000']);
const SOCKET_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  // No local port is free.
  'EADDRNOTAVAIL',
  'NO_PRIMARY',
]);

/** None of the servers in the connection string is a primary that answers. Their names are not secret. */
export class NoPrimary extends Error {
  /** MikroORM copies the code, but not the class. */
  readonly code = 'NO_PRIMARY';

  /** @param reasons for each server: its name and its state */
  constructor(reasons: readonly string[]) {
    super(`no server is a primary that answers (${reasons.join('; ')})`);
    this.name = 'NoPrimary';
  }
}

/** True when the database is away or overloaded, so that the same request may succeed later. */
export function isDatabaseAway(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ConnectionException || cause instanceof LockWaitTimeoutException) return true;
    const code = (cause as { code?: unknown }).code;
    if (NOT_NOW_IF_FATAL.has(code) && (cause as { severity?: unknown }).severity === 'FATAL') return true;
    if (typeof code === 'string' && (NOT_NOW.test(code) || SOCKET_ERRORS.has(code))) return true;
    // pg and pg-pool set no code on these errors.
    if (/Connection terminated|timeout exceeded when trying to connect|is not queryable/.test(cause.message))
      return true;
  }
  return false;
}

/** SQLSTATE classes of a refused login, and of a missing database. */
const REFUSED: Readonly<Record<string, string>> = {
  '28': 'the database refused the login',
  '3D': 'the server has no such database',
};

/** Why no connection was made, as a sentence for an operator; undefined for other failures. */
export function connectionRefusal(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  if (code === 'NO_PRIMARY') return (error as Error).message;
  const suffix = typeof code === 'string' ? ` (${code})` : '';
  const refused = typeof code === 'string' ? REFUSED[code.slice(0, 2)] : undefined;
  if (refused !== undefined) return `${refused}${suffix}`;
  return isDatabaseAway(error) ? `the database does not answer${suffix}` : undefined;
}

/** Whether the message of an error may quote values and whole rows: errors of MikroORM, and of pg (with a severity). */
export const isDatabaseError = (error: unknown): boolean =>
  error instanceof DriverException || (error instanceof Error && 'severity' in error);

/** The unique constraint that a statement violated; undefined for other failures. */
export function violatedUniqueConstraint(error: unknown): string | undefined {
  if (!(error instanceof UniqueConstraintViolationException)) return undefined;
  return (error as { constraint?: string }).constraint;
}
