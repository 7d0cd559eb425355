import { withMigrations } from '../composition/index.ts';
import type { Config } from '../config/index.ts';
import { layFoundation } from '../foundation.ts';
import type { Migrations } from '../platform/database/index.ts';
import { CommandError } from './streams.ts';

/** Runs one of the commands `gatehouse migrate ...`. */
export async function migrate(
  config: Config,
  output: NodeJS.WritableStream,
  work: (migrations: Migrations) => Promise<string[]>,
): Promise<void> {
  const foundation = await layFoundation(config, () => {});
  try {
    const lines = await withMigrations(foundation, work, {
      auditRetentionDays: config.auditRetentionDays,
      onSingleLogin: () =>
        output.write('Warning: one database login owns the tables and serves; set DATABASE_MIGRATION_URL.\n'),
    });
    output.write(`${lines.join('\n')}\n`);
  } finally {
    await foundation.close();
  }
}

export const migrateUp = async (migrations: Migrations): Promise<string[]> =>
  report('applied', await migrations.up(), 'Nothing to apply.');

export const migrateDown = async (migrations: Migrations): Promise<string[]> =>
  report('reverted', await migrations.down(), 'Nothing to revert.');

export const migrateStamp = async (migrations: Migrations): Promise<string[]> =>
  report('stamped', await migrations.stamp(), 'Nothing to stamp.');

export async function migrateStatus(migrations: Migrations): Promise<string[]> {
  const status = await migrations.status();
  return status.map(
    ({ name, executedAt }) => `${executedAt?.toISOString() ?? 'pending'.padEnd(24)}  ${name}`,
  );
}

/** Writes into `migrations/` of the source tree: it is for those who change the gateway. */
export const migrateCreate =
  (name: string, folder: string) =>
  async (migrations: Migrations): Promise<string[]> => {
    if (!/^[a-z][a-z0-9_]{2,60}$/.test(name)) {
      throw new CommandError(
        'A migration is named in lower case with underscores, such as add_display_name.',
      );
    }
    const file = await migrations.create(name, folder);
    return file === null
      ? ['The entities and the database agree: nothing to write.']
      : [`wrote migrations/${file}`, 'Format it, and append it to migrations/index.ts.'];
  };

const report = (verb: string, names: string[], nothing: string): string[] =>
  names.length === 0 ? [nothing] : names.map((name) => `${verb} ${name}`);
