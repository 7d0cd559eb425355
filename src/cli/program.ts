import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { type Config, loadConfig } from '../config/index.ts';
import { origin } from '../platform/setting-parsers.ts';
import type { Environment } from '../platform/settings.ts';
import { type EndpointOptions, printBlockpassEndpoints } from './blockpass.ts';
import { type CreateSuperuserOptions, createSuperuser } from './create-superuser.ts';
import { type DoctorOptions, doctor } from './doctor.ts';
import { environmentWithFiles, unreadEnvFile } from './environment.ts';
import { listKeys, type RotateOptions, rotateKeys } from './keys.ts';
import {
  type MigrateDownOptions,
  migrate,
  migrateCreate,
  migrateDown,
  migrateStamp,
  migrateStatus,
  migrateUp,
} from './migrate.ts';
import { removeFactor } from './remove-factor.ts';
import type { Signals } from './signals.ts';
import { start } from './start.ts';
import type { Streams } from './streams.ts';
import { printToken, TOKEN_USES, type TokenUse } from './token.ts';
import { type ExportUsersOptions, exportAllUsers, type ImportUsersOptions, importUsers } from './users.ts';
import { version } from './version.ts';

export interface ProgramOptions {
  readonly environment: Environment;
  readonly workingFolder: string;
  readonly streams: Streams;
  readonly signals: Signals;
}

/** The command line. Every command works while the gateway runs and while it is stopped. */
export function program({ environment, workingFolder, streams, signals }: ProgramOptions): Command {
  const { output, errors } = streams;
  const command = new Command('gatehouse')
    .description('A GraphQL auth gateway.')
    .version(version())
    .option('--env-file <file>', 'settings file; environment variables override it')
    .showHelpAfterError()
    .configureOutput({
      writeOut: (text) => output.write(text),
      writeErr: (text) => errors.write(text),
    })
    .exitOverride();
  const readConfig = (): Config => {
    const { envFile } = command.opts<{ envFile?: string }>();
    return loadConfig(
      environmentWithFiles(environment, workingFolder, envFile),
      unreadEnvFile(environment, workingFolder, envFile),
    );
  };
  const config = (): Config => {
    const read = readConfig();
    for (const warning of read.warnings) errors.write(`Warning: ${warning}\n`);
    return read;
  };

  command
    .command('start')
    .description('run the gateway')
    .action(() => start({ config: readConfig(), output, errors, signals }));

  command
    .command('doctor')
    .option('--json', 'print the findings as a JSON array')
    .description('check settings, services, clocks and rights, and say what to do; exits with 1 on a failure')
    .action((options: DoctorOptions) => doctor(readConfig, output, options));

  const migrations = command.command('migrate').description('change the schema of the database');
  migrations
    .command('up')
    .description('apply the pending migrations')
    .action(() => migrate(config(), output, migrateUp));
  migrations
    .command('down')
    .option('--yes', 'do not ask first; required without a terminal')
    .description('revert the newest migration, and drop the tables and columns that it added')
    .action((options: MigrateDownOptions) => migrate(config(), output, migrateDown(streams, options)));
  migrations
    .command('status')
    .description('list migrations and when they were applied')
    .action(() => migrate(config(), output, migrateStatus));
  migrations
    .command('stamp')
    .description('mark the pending migrations as applied, without running them')
    .action(() => migrate(config(), output, migrateStamp));
  migrations
    .command('create')
    .argument('<name>')
    .description('write a migration with the difference between the entities and the database')
    .action((name: string) =>
      migrate(config(), output, migrateCreate(name, resolve(workingFolder, 'migrations'))),
    );

  command
    .command('create-superuser')
    .argument('<email>')
    .option(
      '--username <name>',
      'username of a new account (default: the part before the @), or of the existing account',
    )
    .option('--password-stdin', 'read the password from standard input')
    .description('make a new or an existing account a superuser')
    .action((email: string, options: CreateSuperuserOptions) =>
      createSuperuser(config(), streams, email, options),
    );

  command
    .command('token')
    .argument('<email>')
    .addOption(new Option('--for <use>', 'purpose of the token').choices(TOKEN_USES).makeOptionMandatory())
    .description('print a one-time token as it would be mailed, and its link; not in production')
    .action((email: string, { for: use }: { for: TokenUse }) => printToken(config(), output, email, use));

  const users = command.command('users').description('accounts');
  users
    .command('remove-factor')
    .argument('<email>')
    .description('remove the second factor of an account whose owner lost it, and end its sessions')
    .action((email: string) => removeFactor(config(), output, email));
  users
    .command('import')
    .argument('<file>', 'JSON Lines, a JSON array, or CSV with a header; - for standard input')
    .option('--dry-run', 'report the result, and change nothing')
    .option('--with-superusers', 'import accounts with the role superuser too')
    .description('create accounts; existing accounts stay as they are')
    .action((file: string, options: ImportUsersOptions) =>
      importUsers(config(), streams, { file, workingFolder, stopped: signals.stopped }, options),
    );
  users
    .command('export')
    .option('--with-password-hashes', 'include hashes, for another gateway with the same PASSWORD_PEPPER')
    .description('write every account to standard output, as JSON Lines')
    .action((options: ExportUsersOptions) => exportAllUsers(config(), streams, options));

  const keys = command.command('keys').description('the keys that sign access tokens');
  keys
    .command('list')
    .description('list the accepted keys, with the times of signing and removal')
    .action(() => listKeys(config(), output));
  keys
    .command('rotate')
    .addOption(
      new Option('--now', 'sign with the new key at once, before services can fetch it').conflicts(
        'emergency',
      ),
    )
    .option('--emergency', 'void the old keys and every access token that they signed, at once')
    .description('replace the key that signs access tokens')
    .action((options: RotateOptions) => rotateKeys(config(), output, options));

  command
    .command('blockpass')
    .description('sign-in by the Blockpass app')
    .command('endpoints')
    .addOption(
      new Option(
        '--origin <url>',
        'origin at which phones reach the gateway (default: PUBLIC_URL)',
      ).argParser(origin),
    )
    .description('print the endpoints to register at Blockpass, as JSON')
    .action((options: EndpointOptions) => printBlockpassEndpoints(config(), output, options));

  return command;
}
