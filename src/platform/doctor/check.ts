import type { EntityManager } from '@mikro-orm/postgresql';
import type { DatabaseSchema, ServingRights } from '../database/index.ts';
import type { Keyring } from '../keyring.ts';

export type Status = 'ok' | 'warn' | 'fail';

/** One result of a check. */
export interface Result {
  readonly status: Status;
  /** One sentence: what holds, or what is wrong. It names settings, and never repeats a secret. */
  readonly message: string;
  /** What to do; null when nothing is wrong. */
  readonly fix: string | null;
}

/** A result with the name of its check, as `gatehouse doctor --json` prints it. */
export interface Finding extends Result {
  readonly check: string;
}

/**
 * The deployment that the checks look at.
 * @typeParam Config the settings that a check reads
 */
export interface Deployment<Config = unknown> {
  readonly config: Config;
  /** Connection string of the serving login; undefined before the first start has made an embedded database. */
  readonly servingUrl: string | undefined;
  /** Connection string of the login that owns the tables. */
  readonly ownerUrl: string | undefined;
  /** The keys by their settings; undefined before the first start has made them. */
  readonly keys: Readonly<Record<string, Keyring>> | undefined;
  /** What the modules declare. */
  readonly declared: { readonly schema: DatabaseSchema; readonly rights: ServingRights };
  /** The maximum number of connections to the database that the gateway opens, with all of its workers. */
  readonly mostConnections: number;
  /** The clock of this machine, in milliseconds since 1970. */
  readonly machine: () => number;
  /** An EntityManager of the serving login, for checks that run after `database.connection`. */
  readonly fork: () => EntityManager;
}

/**
 * One thing that `gatehouse doctor` looks at. It changes nothing, and needs no other check to have run.
 * @typeParam Config the settings that it reads
 */
export interface Check<Config = unknown> {
  /** Topic and subject, such as `redis.policy`. Scripts rely on it. */
  readonly name: string;
  /** Name of the check that must succeed before this one can run, such as that of the connection. */
  readonly after?: string;
  /** Milliseconds. By default DEADLINE. */
  readonly deadline?: number;
  /** @returns null when there is nothing to look at, because the part is not in use. */
  readonly run: (deployment: Deployment<Config>) => Promise<Results> | Results;
}

export type Results = Result | readonly Result[] | null;

export const ok = (message: string): Result => ({ status: 'ok', message, fix: null });
export const warn = (message: string, fix: string): Result => ({ status: 'warn', message, fix });
export const fail = (message: string, fix: string): Result => ({ status: 'fail', message, fix });

/** For what production must not have, and development may. */
export const failIn = (production: boolean): typeof fail => (production ? fail : warn);
