import { MIGRATIONS } from '../migrations/index.ts';
import { accounts } from './accounts/module.ts';
import { administration } from './administration/module.ts';
import { audit } from './audit/module.ts';
import { authentication } from './authentication/module.ts';
import { authenticators } from './authenticators/module.ts';
import { blockpass } from './blockpass/module.ts';
import { devices } from './devices/module.ts';
import { google } from './google/module.ts';
import { graphql } from './graphql/module.ts';
import { http } from './http/module.ts';
import { identities } from './identities/module.ts';
import { notices } from './notices/module.ts';
import { oneTimeTokens } from './one-time-tokens/module.ts';
import { passwords } from './passwords/module.ts';
import type { DatabaseSchema, ServingRights } from './platform/database/index.ts';
import { platform } from './platform/module.ts';
import type { Module } from './platform/module-type.ts';
import type { RuleTable } from './platform/rate-limit/index.ts';
import type { Metric } from './platform/telemetry/index.ts';
import { recovery } from './recovery/module.ts';
import { roles } from './roles/module.ts';
import { sessions } from './sessions/module.ts';

const LIST = [
  platform,
  oneTimeTokens,
  notices,
  sessions,
  identities,
  devices,
  passwords,
  accounts,
  authenticators,
  authentication,
  recovery,
  google,
  roles,
  administration,
  audit,
  blockpass,
  graphql,
  http,
] as const satisfies readonly Module[];

/** Every module, with the types of what it declares. */
export type Modules = typeof LIST;

/** Every module, each after those that it builds on. */
export const MODULES: readonly Module[] = LIST;

const tables = Object.assign({}, ...MODULES.map((module) => module.tables)) as NonNullable<Module['tables']>;

/** Every entity, and every migration. */
export const SCHEMA: DatabaseSchema = {
  entities: Object.values(tables).map(({ entity }) => entity),
  migrations: MIGRATIONS,
};

/** What the login that serves may do. It can do nothing else, so neither can an attacker who takes it over. */
export const SERVING_RIGHTS: ServingRights = {
  tables: Object.fromEntries(Object.entries(tables).map(([name, { rights }]) => [name, rights])),
  functions: MODULES.flatMap(({ functions = [] }) => functions),
};

/** Every resolver class of the GraphQL schema. */
export const RESOLVERS = MODULES.flatMap(({ resolvers = [] }) => resolvers);

/**
 * Every permission that an operation of the gateway asks for; docs/administration.md says what each one gives. A role
 * may carry other words, which services behind the gateway know.
 */
export const GATEWAY_PERMISSIONS: readonly string[] = MODULES.flatMap(({ permissions = [] }) =>
  permissions.flatMap((words) => Object.values(words)),
);

/** Everything that is measured. */
export const METRICS: readonly Metric[] = MODULES.flatMap(({ metrics = [] }) => metrics as readonly Metric[]);

/** Every rate limit with its default. */
export const RATE_LIMIT_RULES = Object.assign(
  {},
  ...MODULES.map(({ rateLimits }) => rateLimits),
) as RuleTable;
