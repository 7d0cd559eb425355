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
import { mailTemplates } from './mail-templates/module.ts';
import { notices } from './notices/module.ts';
import { oneTimeTokens } from './one-time-tokens/module.ts';
import { pages } from './pages/module.ts';
import { passwords } from './passwords/module.ts';
import type { Surroundings } from './platform/compose.ts';
import type { DatabaseSchema, ServingRights } from './platform/database/index.ts';
import type { Check } from './platform/doctor/index.ts';
import { platform } from './platform/module.ts';
import { ModuleList } from './platform/module-list.ts';
import type { Module, NoticeTexts } from './platform/module-type.ts';
import type { Metric } from './platform/telemetry/index.ts';
import { recovery } from './recovery/module.ts';
import { roles } from './roles/module.ts';
import { sessions } from './sessions/module.ts';

/** The services that exist before any module. */
interface Given {
  readonly surroundings: Surroundings;
}

/**
 * Every module. The compiler refuses a module that stands before another one whose services its `compose` asks for.
 */
const LIST = ModuleList.given<Given>()
  .with(platform)
  .with(oneTimeTokens)
  .with(mailTemplates)
  .with(notices)
  .with(sessions)
  .with(devices)
  .with(http)
  .with(identities)
  .with(passwords)
  .with(accounts)
  .with(authenticators)
  .with(authentication)
  .with(recovery)
  .with(roles)
  .with(graphql)
  .with(administration)
  .with(audit)
  .with(pages)
  .with(google)
  .with(blockpass);

/** Every module, with the types of its declarations. */
export type Modules = typeof LIST.modules;

/** Every module, each after those that it builds on. */
export const MODULES: readonly Module[] = LIST.modules;

/** The services of every module, by its name. */
export type Services = Awaited<ReturnType<typeof LIST.compose>>;

/** Constructs the services of every module. */
export const composeModules: typeof LIST.compose = (given, contributions) =>
  LIST.compose(given, contributions);

const tables = Object.assign({}, ...MODULES.map((module) => module.tables)) as NonNullable<Module['tables']>;

/** Every entity, and every migration. */
export const SCHEMA: DatabaseSchema = {
  entities: Object.values(tables).map(({ entity }) => entity),
  migrations: MIGRATIONS,
};

/** The rights of the login that serves. An attacker who takes the login over has no other rights either. */
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
) as NonNullable<Module['rateLimits']>;

/** Every notice to owners. */
export const NOTICES = Object.assign({}, ...MODULES.map(({ notices: texts }) => texts)) as NoticeTexts;

/** Everything that `gatehouse doctor` looks at. `ModuleList.with` has checked the settings that each one reads. */
export const CHECKS: ReadonlyArray<Check<never>> = MODULES.flatMap(({ checks = [] }) => checks);
