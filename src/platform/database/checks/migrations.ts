import { fail, ok, type Result, warn } from '../../doctor/check.ts';
import { networkReason } from '../../doctor/reach.ts';
import { connectionRefusal } from '../failures.ts';
import { compareMigrations } from '../migrations.ts';
import { loginOf } from '../rights.ts';
import { CONNECTION, connected, type DatabaseCheck, rowOf } from './on-connection.ts';

export const migrations: DatabaseCheck = {
  name: 'database.migrations',
  after: CONNECTION,
  async run({ config, fork, declared }) {
    const { missing, unknown } = await compareMigrations(fork(), declared.schema.migrations);
    const results: Result[] = [];
    if (missing.length > 0) {
      const count = `${missing.length} migration${missing.length === 1 ? ' is' : 's are'} pending, ${missing[0]} first`;
      results.push(
        config.database.migrateOnStart
          ? warn(`${count}; the next start applies them.`, 'Run "gatehouse migrate up" to apply them now.')
          : fail(`${count}, so the gateway does not start.`, 'Run "gatehouse migrate up".'),
      );
    }
    if (unknown.length > 0)
      results.push(
        warn(
          `The database has migrations that this release does not know, such as ${unknown.at(-1)}: a newer release has migrated it.`,
          'Finish the upgrade, or read docs/operations/upkeep.md before you roll back.',
        ),
      );
    return results.length > 0 ? results : ok('The database has every migration of this release.');
  },
};

export const migratingLogin: DatabaseCheck = {
  name: 'database.migrating-login',
  after: CONNECTION,
  async run({ servingUrl = '', ownerUrl = servingUrl }) {
    const login = loginOf(ownerUrl);
    // A process that serves need not know the owner. `excess` finds a serving login that owns the tables.
    if (login === loginOf(servingUrl)) return null;
    let may: { create: boolean; others: number };
    try {
      may = await connected(ownerUrl, (client) =>
        rowOf<typeof may>(
          client,
          `select has_schema_privilege('public', 'create') as create,
             (select count(*)::int from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
              and not pg_has_role(relowner, 'usage')) as others`,
        ),
      );
    } catch (error) {
      return fail(
        `DATABASE_MIGRATION_URL: ${connectionRefusal(error) ?? networkReason(error)}.`,
        'Correct the login, password, host or database in DATABASE_MIGRATION_URL: without it no upgrade can migrate.',
      );
    }
    if (!may.create || may.others > 0)
      return fail(
        `The login ${login} of DATABASE_MIGRATION_URL may not migrate: ${may.create ? `another login owns ${may.others} of the tables` : 'it lacks CREATE on the schema public'}.`,
        'Name the login that owns the tables, and grant it USAGE and CREATE on the schema public.',
      );
    return ok(`The login ${login} owns the tables and may migrate.`);
  },
};
