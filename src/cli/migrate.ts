import { withMigrations } from '../composition/index.ts';
import type { Config } from '../config/index.ts';
import { layFoundation } from '../foundation.ts';
import type { Migrations } from '../platform/database/index.ts';
import { confirm } from './confirm.ts';
import { CommandError, type Streams } from './streams.ts';

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
        output.write(
          'Warning: the database login that serves also owns the tables. Set DATABASE_MIGRATION_URL.\n',
        ),
    });
    output.write(`${lines.join('\n')}\n`);
  } finally {
    await foundation.close();
  }
}

export const migrateUp = async (migrations: Migrations): Promise<string[]> =>
  report('applied', await migrations.up(), 'Nothing to apply.');

export interface MigrateDownOptions {
  /** Reverts without a question. */
  readonly yes?: boolean;
}

/** Reverts the newest migration, after a person has confirmed the loss of its data. */
export const migrateDown =
  (streams: Streams, { yes = false }: MigrateDownOptions) =>
  async (migrations: Migrations): Promise<string[]> => {
    const newest = await migrations.newest();
    if (newest === undefined) return ['Nothing to revert.'];
    if (!yes) {
      const loss = `This reverts ${newest} and drops the data in the tables and columns that it added.`;
      await confirm(loss, streams);
    }
    return report('reverted', await migrations.down(newest), 'Nothing to revert.');
  };

export const migrateStamp = async (migrations: Migrations): Promise<string[]> =>
  report('stamped', await migrations.stamp(), 'Nothing to stamp.');

export async function migrateStatus(migrations: Migrations): Promise<string[]> {
  const status = await migrations.status();
  return status.map(
    ({ name, executedAt }) => `${executedAt?.toISOString() ?? 'pending'.padEnd(24)}  ${name}`,
  );
}

/** Writes a migration into `migrations/` of the source tree, for developers of the gateway. */
export const migrateCreate =
  (name: string, folder: string) =>
  async (migrations: Migrations): Promise<string[]> => {
    if (!/^[a-z][a-z0-9_]{2,60}$/.test(name)) {
      throw new CommandError(
        'The name of a migration is in lower case with underscores, such as add_display_name.',
      );
    }
    const file = await migrations.create(name, folder);
    return file === null
      ? ['Nothing to write: the entities and the database agree.']
      : [`wrote migrations/${file}`, 'Format it, and append it to migrations/index.ts.'];
  };

const report = (verb: string, names: string[], nothing: string): string[] =>
  names.length === 0 ? [nothing] : names.map((name) => `${verb} ${name}`);
