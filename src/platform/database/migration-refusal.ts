import { CannotStart } from '../cannot-start.ts';
import { connectionRefusal } from './failures.ts';
import { loginOf } from './rights.ts';

/** SQLSTATE insufficient_privilege (PostgreSQL appendix A). */
const NO_RIGHT = '42501';

/** SQLSTATE codes for an object that already exists: a schema, table or index, a column, a function, another object. */
const PRESENT = new Set(['42P06', '42P07', '42701', '42710', '42723']);

interface Owner {
  /** URL of the login that should own the tables. */
  readonly ownerUrl: string;
  /** The setting with that URL; undefined for the embedded PostgreSQL. */
  readonly ownerSetting?: 'DATABASE_URL' | 'DATABASE_MIGRATION_URL' | undefined;
}

/** Why the migration failed, as a sentence for an operator; undefined for other failures. */
export function migrationRefusal(error: unknown, owner: Owner): CannotStart | undefined {
  const unreachable = connectionRefusal(error);
  if (owner.ownerSetting !== undefined && unreachable !== undefined)
    return new CannotStart(`${owner.ownerSetting}: ${unreachable}`);
  const refused = serverError(error);
  if (refused?.code === NO_RIGHT) return new CannotStart(missingRight(refused.message, owner));
  if (refused !== undefined && PRESENT.has(refused.code)) {
    return new CannotStart(
      `A pending migration would make an object that the database already has (${refused.message}). ` +
        'If its tables came from a dump of this release, run "gatehouse migrate stamp", which records the migrations without running them.',
    );
  }
  return undefined;
}

function missingRight(reason: string, { ownerUrl, ownerSetting }: Owner): string {
  const login = `the login ${loginOf(ownerUrl)}`;
  const needed = 'a login that owns the tables, with the rights USAGE and CREATE on the schema public';
  return ownerSetting === 'DATABASE_URL'
    ? `DATABASE_URL: ${login} may not migrate (${reason}): set DATABASE_MIGRATION_URL to ${needed}.`
    : `DATABASE_MIGRATION_URL: ${login} may not migrate (${reason}): it must be ${needed}.`;
}

/** The error as the server sent it. MikroORM wraps it and adds the statement, which may contain values. */
function serverError(error: unknown): { code: string; message: string } | undefined {
  let found: { code: string; message: string } | undefined;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown };
    if (typeof code === 'string') found = { code, message: cause.message };
  }
  return found;
}
