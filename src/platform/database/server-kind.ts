/**
 * Servers that speak the protocol of PostgreSQL and are not PostgreSQL, by their answer to `select version()`. The gateway
 * relies on advisory locks, on the snapshots of `pg_current_snapshot()`, and on NOTIFY. These lack some of them.
 */
const OTHERS: ReadonlyArray<readonly [product: string, pattern: RegExp]> = [
  ['CockroachDB', /cockroach/i],
  ['YugabyteDB', /-YB-|yugabyte/i],
  ['Amazon Redshift', /redshift/i],
  ['Amazon Aurora DSQL', /dsql/i],
  ['Greenplum', /greenplum/i],
  ['Spanner', /spanner/i],
  ['Materialize', /materialize/i],
  ['RisingWave', /risingwave/i],
  ['CrateDB', /crate/i],
  ['QuestDB', /questdb/i],
  ['openGauss', /opengauss|gaussdb/i],
  ['YDB', /\bydb\b/i],
  ['H2', /\bH2\b/],
];

/** The oldest major version that is supported (docs/configuration.md). */
export const OLDEST_POSTGRES = 15;

/** What answers: PostgreSQL with its major version, or another product by its name. */
export type ServerKind = { readonly postgres: number } | { readonly other: string };

/** @param version the answer to `select version()` */
export function serverKind(version: string): ServerKind {
  const other = OTHERS.find(([, pattern]) => pattern.test(version))?.[0];
  if (other !== undefined) return { other };
  const major = /^(?:PostgreSQL|EnterpriseDB) (\d+)/.exec(version)?.[1];
  return major === undefined ? { other: 'an unknown server' } : { postgres: Number(major) };
}
