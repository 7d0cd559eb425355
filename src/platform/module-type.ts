import type { RuleTable } from './rate-limit/index.ts';
import type { SettingsSection } from './setting-declaration.ts';
import type { Metric } from './telemetry/index.ts';

/** A right of the serving login to the rows of a table. */
export type Right = 'select' | 'insert' | 'update' | 'delete';

/** A table with its columns and rights. */
export interface TableDeclaration {
  /** The class with its columns. */
  readonly entity: new () => object;
  readonly rights: readonly Right[];
}

export type ResolverClass = abstract new (...args: never[]) => object;

/**
 * Everything that one capability declares, in `module.ts` of its folder. `src/modules.ts` lists the modules. The
 * database schema and its rights, the GraphQL schema, the permissions, the rate limits, the metrics and the settings are derived from
 * that list.
 */
export interface Module {
  /** Name of the folder. */
  readonly name: string;
  /** By table name. No other module reads or writes these tables in its own SQL. */
  readonly tables?: Readonly<Record<string, TableDeclaration>>;
  /**
   * Functions of the database that the serving login may call, with their argument types. They run with the rights of
   * the owner.
   */
  readonly functions?: readonly string[];
  /** Resolver classes of the GraphQL schema. */
  readonly resolvers?: readonly ResolverClass[];
  /** Enumerations of permissions that operations of the gateway require. */
  readonly permissions?: ReadonlyArray<Readonly<Record<string, string>>>;
  /** Rate limits with their defaults. */
  readonly rateLimits?: RuleTable;
  /** What is measured (docs/operations.md). */
  readonly metrics?: readonly Metric[];
  /** Settings, of which `Config`, `.env.example` and the tables of docs/configuration.md are made. */
  readonly settings?: readonly SettingsSection[];
}

/** All rights, for rows that are changed and deleted. */
export const ALL_RIGHTS = ['select', 'insert', 'update', 'delete'] as const satisfies readonly Right[];
/** For rows that are inserted and deleted, but never changed. */
export const NO_UPDATE = ['select', 'insert', 'delete'] as const satisfies readonly Right[];
