import { DatabaseClock, REFUSED, TOLERATED } from '../../database-clock.ts';
import { fail, failIn, ok, warn } from '../../doctor/check.ts';
import { networkReason } from '../../doctor/reach.ts';
import { connectionRefusal } from '../failures.ts';
import { OLDEST_POSTGRES, serverKind } from '../server-kind.ts';
import { ADVICE, CONNECTION, connected, type DatabaseCheck, rowOf } from './on-connection.ts';

export const connection: DatabaseCheck = {
  name: CONNECTION,
  deadline: 4_000,
  async run({ config, servingUrl }) {
    if (servingUrl === undefined) return null;
    let version: string;
    try {
      ({ version } = await connected(servingUrl, (client) =>
        rowOf<{ version: string }>(client, 'select version() as version'),
      ));
    } catch (error) {
      const refusal = connectionRefusal(error) ?? networkReason(error);
      return config.database.url === undefined
        ? fail(`The embedded PostgreSQL cannot be used: ${refusal}.`, 'Read postgres/server.log in DATA_DIR.')
        : fail(
            `DATABASE_URL: ${refusal}.`,
            'Start PostgreSQL, and see that host, port, login, password and database in DATABASE_URL are right.',
          );
    }
    const kind = serverKind(version);
    if ('other' in kind)
      return fail(`The database is ${kind.other}, which only speaks the protocol of PostgreSQL.`, ADVICE);
    if (kind.postgres < OLDEST_POSTGRES)
      return fail(
        `The database is PostgreSQL ${kind.postgres}, which is older than the supported ${OLDEST_POSTGRES}.`,
        `Upgrade it to PostgreSQL ${OLDEST_POSTGRES} or newer.`,
      );
    return ok(`PostgreSQL ${kind.postgres} answers and accepts the serving login.`);
  },
};

export const writable: DatabaseCheck = {
  name: 'database.writable',
  after: CONNECTION,
  async run({ servingUrl }) {
    const { only, standby } = await connected(servingUrl, (client) =>
      rowOf<{ only: string; standby: boolean }>(
        client,
        `select current_setting('transaction_read_only') as only, pg_is_in_recovery() as standby`,
      ),
    );
    if (standby)
      return fail(
        'The database is a standby, which accepts no writes.',
        'Let DATABASE_URL name the primary.',
      );
    if (only === 'on')
      return fail(
        'Transactions of the serving login are read-only.',
        'Find out whether the disk of the server is full, or reset default_transaction_read_only of the login, the database and the server.',
      );
    return ok('The database accepts writes.');
  },
};

/** Settings of the server that lose acknowledged changes when they are off. */
const DURABLE = ['fsync', 'full_page_writes', 'synchronous_commit'] as const;

export const durability: DatabaseCheck = {
  name: 'database.durability',
  after: CONNECTION,
  run: ({ config, servingUrl }) =>
    connected(servingUrl, async (client) => {
      const { rows } = await client.query<{ name: (typeof DURABLE)[number] }>(
        `select name from unnest($1::text[]) as name where current_setting(name) = 'off'`,
        [DURABLE],
      );
      if (rows.length === 0) return ok('The database writes a change to disk before it acknowledges it.');
      const names = rows.map(({ name }) => name);
      return failIn(config.production)(
        `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} off: a crash of the server loses acknowledged changes, or the database.`,
        `Turn ${names.length === 1 ? 'it' : 'them'} on for the server, the database and the login.`,
      );
    }),
};

export const connections: DatabaseCheck = {
  name: 'database.connections',
  after: CONNECTION,
  run: ({ servingUrl, mostConnections }) =>
    connected(servingUrl, async (client) => {
      const limits = await rowOf<{ server: number; login: number; base: number; used: number }>(
        client,
        `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true)::int, 0) as server,
           rolconnlimit as login, datconnlimit as base,
           (select count(*)::int from pg_stat_activity where usesysid is not null and pid <> pg_backend_pid()) as used
         from pg_roles, pg_database where rolname = current_user and datname = current_database()`,
      );
      const room = Math.min(limits.server, ...[limits.login, limits.base].filter((limit) => limit >= 0));
      const needs = `a gateway uses up to ${mostConnections}`;
      if (room < mostConnections)
        return warn(
          `The serving login may have ${room} connections, and ${needs}.`,
          'Raise max_connections of the server, and the connection limits of the login and the database.',
        );
      if (limits.used > limits.server * 0.9)
        return warn(
          `${limits.used} of ${limits.server} connections of the server are in use.`,
          'Raise max_connections, or end clients that do not need theirs.',
        );
      return ok(
        `There is room for ${room} connections: ${needs}, so that is enough for ${Math.floor(room / mostConnections)}.`,
      );
    }),
};

export const clock: DatabaseCheck = {
  name: 'database.clock',
  after: CONNECTION,
  async run({ fork, machine }) {
    const reference = new DatabaseClock(() => {}, machine);
    await reference.askFirst(fork);
    const seconds = reference.machineOffsetSeconds;
    const off = Math.abs(seconds) * 1_000;
    const message = `The clock of this machine is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the database's`;
    const fix = 'Set the clocks of both machines by NTP.';
    if (off > REFUSED) return fail(`${message}, so the gateway does not start.`, fix);
    if (off > TOLERATED) return warn(`${message}.`, fix);
    return ok('The clocks of this machine and of the database agree.');
  },
};
