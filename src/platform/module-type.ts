import type { RuleTable } from './rate-limit/index.ts';
import type { SettingsSection } from './setting-declaration.ts';

/** What the serving login may do to the rows of a table. */
export type Right = 'select' | 'insert' | 'update' | 'delete';

/** A table and who owns it. */
export interface TableDeclaration {
  /** The class with its columns. */
  readonly entity: new () => object;
  readonly rights: readonly Right[];
}

export type ResolverClass = abstract new (...args: never[]) => object;

/**
 * What one capability brings, in `module.ts` of its folder. `src/modules.ts` lists the modules, and everything that must know
 * all of a kind is derived from that list: the database schema and its rights, the GraphQL schema, the permissions, the
 * rate limits and the settings.
 */
export interface Module {
  /** As the folder. */
  readonly name: string;
  /** By the names of the tables. No other module reads or writes them in SQL of its own. */
  readonly tables?: Readonly<Record<string, TableDeclaration>>;
  /** Functions of the database that the serving login may call, with their argument types. They run with the rights of the owner. */
  readonly functions?: readonly string[];
  /** Resolver classes of the GraphQL schema. */
  readonly resolvers?: readonly ResolverClass[];
  /** Enumerations of permissions that operations of the gateway ask for. */
  readonly permissions?: ReadonlyArray<Readonly<Record<string, string>>>;
  /** Rate limits with their defaults. */
  readonly rateLimits?: RuleTable;
  /** Settings, of which `Config`, `.env.example` and the tables of docs/configuration.md are made. */
  readonly settings?: readonly SettingsSection[];
}

/** Every right: for rows that change and go. */
export const ALL_RIGHTS = ['select', 'insert', 'update', 'delete'] as const satisfies readonly Right[];
/** For rows that are made and removed, and never changed. */
export const NO_UPDATE = ['select', 'insert', 'delete'] as const satisfies readonly Right[];
