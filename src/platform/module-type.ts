import type { FastifyPluginAsync } from 'fastify';
import type { Check } from './doctor/check.ts';
import type { Chore } from './housekeeping/housekeeping.ts';
import type { MailWriter } from './mail/index.ts';
import type { PersonalData } from './personal-data.ts';
import type { DocumentedRule } from './rate-limit/index.ts';
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

/** The text of a notice to the owner of an account. The mail adds the time, the IP address and what to do. */
export interface NoticeText {
  readonly subject: string;
  readonly what: string;
}

/** By kind. Jobs of mails that wait hold the kind, so it is never renamed. */
export type NoticeTexts = Readonly<Record<string, NoticeText>>;

/** Work without a request, which runs in every process that serves. */
export interface Worker {
  start(): void | Promise<void>;
  stop(): Promise<void>;
}

/**
 * The kinds of things that modules contribute, such as routes, each with its type. One service collects all
 * things of one kind. A capability that collects a kind of its own adds it here by declaration merging: see
 * `identities/identity-provider.ts`.
 */
export interface Contribution {
  /** Instance of a class that `Module.resolvers` lists. */
  readonly resolvers: object;
  /** HTTP routes. */
  readonly routes: FastifyPluginAsync;
  /** HTTP routes that accept a cookie as authentication and that pages of other origins may call. */
  readonly guardedRoutes: FastifyPluginAsync;
  /** Name of a cookie that authenticates, or binds something to a browser. */
  readonly cookieNames: string;
  /** Writes the mails of one kind. */
  readonly mailWriters: MailWriter<never>;
  /** The data about people that the module keeps, for the export and the deletion of an account. */
  readonly personalData: PersonalData;
  /** Runs before the first request, in the order of the modules, also for a command. */
  readonly starters: () => Promise<unknown>;
  readonly workers: Worker;
  /** Housekeeping. */
  readonly chores: Chore;
}

/** What one module contributes. */
export type Part = { readonly [Kind in keyof Contribution]?: ReadonlyArray<Contribution[Kind]> };

/** The result of `compose` of a module. */
export interface Composed extends Part {
  /** The services that later modules may use, by name. */
  readonly services?: object;
}

/** The services that a `compose` function offers. */
export type ServicesOf<Compose extends (...given: never[]) => unknown> =
  Awaited<ReturnType<Compose>> extends { readonly services: infer Services } ? Services : unknown;

/** The type of `config` in the parameter of a `compose` function. */
type ConfigIn<Given> = Given extends { readonly config: infer Config } ? Config : unknown;

/**
 * Everything that one capability declares, in `module.ts` of its folder. `src/modules.ts` lists the modules. The
 * database schema and its rights, the GraphQL schema, the permissions, the rate limits, the metrics and the settings
 * are derived from the modules in that list.
 * @typeParam Given the services that `compose` may ask for, which the modules before it offer
 */
export interface Module<Given = never> {
  /** Name of the folder. */
  readonly name: string;
  /** By table name. No other module reads or writes these tables in its own SQL. */
  readonly tables?: Readonly<Record<string, TableDeclaration>>;
  /**
   * Functions of the database that the serving login may call, with their argument types. They run with the
   * rights of the owner of the tables.
   */
  readonly functions?: readonly string[];
  /** Resolver classes of the GraphQL schema. */
  readonly resolvers?: readonly ResolverClass[];
  /** Enumerations of permissions that operations of the gateway require. */
  readonly permissions?: ReadonlyArray<Readonly<Record<string, string>>>;
  /** Rate limits with their defaults. */
  readonly rateLimits?: Readonly<Record<string, DocumentedRule>>;
  /** What is measured (docs/operations.md). */
  readonly metrics?: readonly Metric[];
  /** Settings, of which `Config`, `.env.example` and the tables of docs/configuration.md are made. */
  readonly settings?: readonly SettingsSection[];
  /** Notices to owners by mail (`notices/owner-notices.ts`). */
  readonly notices?: NoticeTexts;
  /** What `gatehouse doctor` looks at, in `checks.ts` of the folder. */
  readonly checks?: ReadonlyArray<Check<ConfigIn<Given>>>;
  /**
   * Constructs the services. It takes one object: `config`, and each module before it by its name, as far as it uses
   * them.
   */
  readonly compose?: (given: Given) => Composed | Promise<Composed>;
}

/** All rights, for rows that are changed and deleted. */
export const ALL_RIGHTS = ['select', 'insert', 'update', 'delete'] as const satisfies readonly Right[];
/** For rows that are inserted and deleted, but never changed. */
export const NO_UPDATE = ['select', 'insert', 'delete'] as const satisfies readonly Right[];
