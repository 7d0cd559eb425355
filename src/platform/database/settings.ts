import { resolve } from 'node:path';
import { setting, settingsSection } from '../setting-declaration.ts';
import { flag, text } from '../setting-parsers.ts';
import { databaseUrl } from './database-url.ts';

const DATABASE_URL = setting('DATABASE_URL', {
  parse: databaseUrl,
  secret: true,
  whenUnset: 'an embedded PostgreSQL in `DATA_DIR`',
  description:
    'Connection string of the login that serves. Parameters such as `?sslmode=` count. PostgreSQL 15 or newer. For several hosts see [failover](#failover-of-postgresql), and [behind PgBouncer](#behind-pgbouncer).',
  requiredInProduction: 'the database',
  passedOn: false,
});

const DATABASE_MIGRATION_URL = setting('DATABASE_MIGRATION_URL', {
  parse: databaseUrl,
  secret: true,
  whenUnset: '`$DATABASE_URL`',
  description:
    'Connection string of the login that owns the tables and migrates. When both are one login there is a warning.',
  passedOn: false,
});

/** The database. */
export const DATABASE_SETTINGS = settingsSection({
  title: 'Database',
  settings: {
    dataDir: setting('DATA_DIR', {
      parse: text,
      default: '.data',
      description: 'Folder of the embedded PostgreSQL and of the generated `secrets.json`.',
      passedOn: false,
    }),
    url: DATABASE_URL,
    migrationUrl: DATABASE_MIGRATION_URL,
    migrateOnStart: setting('MIGRATE_ON_START', {
      parse: flag,
      defaultFrom: { text: 'on, off in production', value: ({ production }) => !production },
      description: 'Every command but `migrate` applies pending migrations first.',
      passedOn: false,
    }),
  },
  config: ({ dataDir, url, migrationUrl = url, migrateOnStart }) => ({
    dataDir: resolve(dataDir),
    database: { url, migrationUrl, migrateOnStart },
  }),
  check(_, { isSet, problem }) {
    if (isSet(DATABASE_MIGRATION_URL) && !isSet(DATABASE_URL)) {
      problem('DATABASE_MIGRATION_URL is set, so DATABASE_URL must be set too');
    }
  },
});
