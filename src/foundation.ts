import { join } from 'node:path';
import pg from 'pg';
import type { Config } from './config/index.ts';
import { CannotStart } from './platform/cannot-start.ts';
import { serversOf } from './platform/database/index.ts';
import { EmbeddedPostgresError, joinEmbeddedPostgres } from './platform/embedded-postgres/index.ts';
import { type GeneratedSecrets, generatedSecrets } from './platform/generated-secrets.ts';
import type { Keyring } from './platform/keyring.ts';
import { keyring } from './platform/setting-parsers.ts';

const DATABASE = 'gatehouse';
const OWNER = 'gatehouse_owner';
const SERVING = 'gatehouse_app';

/** The parts that a process needs to serve. */
export interface ServingFoundation {
  /** Connection string of the serving login. */
  readonly servingUrl: string;
  readonly secrets: {
    readonly tokenKeys: Keyring;
    readonly encryptionKeys: Keyring;
    readonly passwordPeppers: Keyring;
  };
}

/** The parts that all others need: a database with its two logins, and the secret keys. */
export interface Foundation extends ServingFoundation {
  /** Connection string of the login that owns the tables and migrates. */
  readonly ownerUrl: string;
  /** The setting of `ownerUrl`; undefined for the embedded PostgreSQL. */
  readonly ownerSetting?: 'DATABASE_URL' | 'DATABASE_MIGRATION_URL';
  /** The place of the data, in words for a person. */
  readonly dataLocation: string;
  /**
   * Returns false when another gateway already uses the same data folder. Any number may share an external database.
   */
  claimGateway(): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Uses the database and the secrets of the settings, and makes the parts that development may leave out.
 * @param onLost called when the embedded PostgreSQL fails
 * @throws {InvalidSettings} when the secrets in the data folder cannot be used.
 * @throws {CannotStart} when the embedded PostgreSQL does not start.
 */
export async function layFoundation(config: Config, onLost: (error: Error) => void): Promise<Foundation> {
  const { url: servingUrl, migrationUrl: ownerUrl } = config.database;
  const { tokenKeys, encryptionKeys, passwordPeppers } = config.secrets;
  const complete = servingUrl && tokenKeys && encryptionKeys && passwordPeppers;
  const generated = complete ? undefined : await generatedSecrets(config.dataDir);
  const secrets = {
    tokenKeys: tokenKeys ?? required(generated).tokenKeys,
    encryptionKeys: encryptionKeys ?? required(generated).encryptionKeys,
    passwordPeppers: passwordPeppers ?? required(generated).passwordPeppers,
  };
  if (servingUrl === undefined) return layEmbedded(config, required(generated), secrets, onLost);
  return {
    servingUrl,
    ownerUrl: ownerUrl ?? servingUrl,
    ownerSetting:
      ownerUrl === undefined || ownerUrl === servingUrl ? 'DATABASE_URL' : 'DATABASE_MIGRATION_URL',
    secrets,
    dataLocation: `PostgreSQL at ${serversOf(servingUrl)
      .map(({ name }) => name)
      .join(', ')}`,
    claimGateway: async () => true,
    close: async () => {},
  };
}

/** A foundation as text, for a worker. Only what the settings leave out: the rest stands in the worker's own settings. */
export interface SharedFoundation {
  readonly servingUrl: string | undefined;
  readonly secrets: Readonly<Record<keyof ServingFoundation['secrets'], string | undefined>>;
}

/** The parts of the primary's foundation that a worker needs, besides its settings. */
export function shareFoundation({ database, secrets }: Config, foundation: Foundation): SharedFoundation {
  const generated = (name: keyof Config['secrets']) =>
    secrets[name] === undefined ? keyringText(foundation.secrets[name]) : undefined;
  return {
    servingUrl: database.url === undefined ? foundation.servingUrl : undefined,
    secrets: {
      tokenKeys: generated('tokenKeys'),
      encryptionKeys: generated('encryptionKeys'),
      passwordPeppers: generated('passwordPeppers'),
    },
  };
}

/**
 * The foundation of a worker. The settings of the worker take precedence, so a worker that starts later uses keys
 * that were changed meanwhile.
 * @throws {CannotStart} when a setting was removed that the primary still has.
 */
export function joinFoundation({ database, secrets }: Config, shared: SharedFoundation): ServingFoundation {
  const had = <T>(value: T | undefined, name: string): T => {
    if (value === undefined)
      throw new CannotStart(`${name} was removed: restart the gateway, with all workers.`);
    return value;
  };
  const keys = (name: keyof Config['secrets'], setting: string) =>
    secrets[name] ?? keyring(had(shared.secrets[name], setting));
  return {
    servingUrl: database.url ?? had(shared.servingUrl, 'DATABASE_URL'),
    secrets: {
      tokenKeys: keys('tokenKeys', 'TOKEN_KEY'),
      encryptionKeys: keys('encryptionKeys', 'ENCRYPTION_KEY'),
      passwordPeppers: keys('passwordPeppers', 'PASSWORD_PEPPER'),
    },
  };
}

const keyringText = (keys: Keyring): string =>
  keys.map(({ secret }) => secret.export().toString('base64')).join(',');

async function layEmbedded(
  config: Config,
  generated: GeneratedSecrets,
  secrets: Foundation['secrets'],
  onLost: (error: Error) => void,
): Promise<Foundation> {
  const { superuser, owner, serving } = generated.database;
  const directory = join(config.dataDir, 'postgres');
  const cluster = await joinEmbeddedPostgres({ directory, password: superuser, onLost }).catch(
    (error: unknown) => {
      throw error instanceof EmbeddedPostgresError ? new CannotStart(error.message) : error;
    },
  );
  try {
    await makeLogins(cluster.url('postgres'), { [OWNER]: owner, [SERVING]: serving });
  } catch (error) {
    await cluster.leave();
    throw error;
  }
  const url = (user: string, password: string) =>
    `postgresql://${user}:${password}@${cluster.host}:${cluster.port}/${DATABASE}`;
  return {
    ownerUrl: url(OWNER, owner),
    servingUrl: url(SERVING, serving),
    secrets,
    dataLocation: `${config.dataDir} (embedded PostgreSQL on port ${cluster.port})`,
    claimGateway: () => cluster.claimGateway(),
    close: () => cluster.leave(),
  };
}

/** Idempotent, even when several processes run it together. */
async function makeLogins(superuserUrl: string, logins: Record<string, string>): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl });
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query('select pg_advisory_lock(hashtext($1))', ['gatehouse logins']);
    for (const [login, password] of Object.entries(logins)) {
      const { rowCount } = await client.query('select from pg_roles where rolname = $1', [login]);
      const verb = rowCount === 0 ? 'create' : 'alter';
      const name = client.escapeIdentifier(login);
      await client.query(`${verb} role ${name} login password ${client.escapeLiteral(password)}`);
    }
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE} owner ${OWNER}`);
  } finally {
    await client.end();
  }
}

function required(generated: GeneratedSecrets | undefined): GeneratedSecrets {
  if (!generated) throw new Error('secrets were not generated');
  return generated;
}
