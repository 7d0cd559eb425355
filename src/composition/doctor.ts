import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { Config } from '../config/index.ts';
import { type Foundation, layFoundation } from '../foundation.ts';
import { CHECKS, SCHEMA, SERVING_RIGHTS } from '../modules.ts';
import { CannotStart } from '../platform/cannot-start.ts';
import { mostConnections } from '../platform/compose.ts';
import { createOrm } from '../platform/database/index.ts';
import { type Check, type Deployment, type Finding, fail, runChecks } from '../platform/doctor/index.ts';
import { SECRETS_FILE } from '../platform/generated-secrets.ts';
import { InvalidSettings } from '../platform/settings.ts';
import { withTimeout } from '../platform/with-timeout.ts';

/** Milliseconds to join or start the embedded PostgreSQL. */
const FOUNDATION_DEADLINE = 8_000;
/** Milliseconds to leave it, and to close connections. */
const CLOSING_DEADLINE = 4_000;
/** Connections that the doctor itself holds for statements. */
const OWN_CONNECTIONS = 3;

export interface ExaminationOptions {
  /** By default those of all modules. */
  readonly checks?: ReadonlyArray<Check<Config>>;
  /** The clock of this machine, in milliseconds since 1970. */
  readonly machine?: () => number;
}

/** Looks at a deployment, whether or not a gateway runs on it, and changes nothing. It ends within about 15 s. */
export async function examine(
  config: Config,
  // ModuleList has checked that the modules declare every setting that a check reads.
  { checks = CHECKS as ReadonlyArray<Check<Config>>, machine = Date.now }: ExaminationOptions = {},
): Promise<Finding[]> {
  const laid = await layIfMade(config);
  const foundation = laid instanceof Error ? undefined : laid;
  const servingUrl = foundation?.servingUrl ?? config.database.url;
  let orm: MikroORM | undefined;
  const deployment: Deployment<Config> = {
    config,
    servingUrl,
    ownerUrl: foundation?.ownerUrl ?? config.database.migrationUrl,
    keys: foundation && {
      TOKEN_KEY: foundation.secrets.tokenKeys,
      ENCRYPTION_KEY: foundation.secrets.encryptionKeys,
      PASSWORD_PEPPER: foundation.secrets.passwordPeppers,
    },
    declared: { schema: SCHEMA, rights: SERVING_RIGHTS },
    mostConnections: mostConnections(config.http.workers),
    machine,
    fork() {
      if (servingUrl === undefined) throw new Error('there is no database yet');
      orm ??= createOrm({ url: servingUrl, schema: SCHEMA, poolSize: OWN_CONNECTIONS });
      return orm.em.fork();
    },
  };
  try {
    const found = await runChecks(checks, deployment);
    return laid instanceof Error ? [foundationFailure(laid), ...found] : found;
  } finally {
    // Do not wait for a part that hangs: the process ends soon anyway.
    await withTimeout(CLOSING_DEADLINE, Promise.resolve(orm?.close(true))).catch(() => {});
    await withTimeout(CLOSING_DEADLINE, Promise.resolve(foundation?.close())).catch(() => {});
  }
}

/**
 * @returns undefined before the first start, which makes keys and an embedded database. The error when the foundation
 * fails.
 */
async function layIfMade(config: Config): Promise<Foundation | Error | undefined> {
  const { url } = config.database;
  const isComplete = url !== undefined && !Object.values(config.secrets).includes(undefined);
  const isIn = (...path: string[]) => existsSync(join(config.dataDir, ...path));
  if (!isComplete && !isIn(SECRETS_FILE)) return undefined;
  if (url === undefined && !isIn('postgres', 'PG_VERSION')) return undefined;
  const laying = layFoundation(config, () => {});
  try {
    return await withTimeout(FOUNDATION_DEADLINE, laying);
  } catch (error) {
    // A foundation that is ready only after the deadline must not leave its PostgreSQL running.
    laying.then((late) => late.close()).catch(() => {});
    return error instanceof Error ? error : new Error('unknown');
  }
}

function foundationFailure(error: Error): Finding {
  const reason =
    error instanceof InvalidSettings
      ? error.problems.join('; ')
      : error instanceof CannotStart
        ? error.message
        : `the embedded PostgreSQL is not ready within ${FOUNDATION_DEADLINE / 1_000} s`;
  return {
    check: 'foundation',
    ...fail(
      `The database or the keys in DATA_DIR cannot be used: ${reason.replace(/\.$/, '')}.`,
      'Correct that, or read postgres/server.log in DATA_DIR.',
    ),
  };
}
