import type pg from 'pg';
import { DatabaseClock, REFUSED, TOLERATED } from '../database-clock.ts';
import { type Check, fail, failIn, ok, type Result, warn } from '../doctor/check.ts';
import { networkReason } from '../doctor/reach.ts';
import { CHANNEL } from '../events/event-feed.ts';
import { newId } from '../id.ts';
import type { REDIS_SETTINGS } from '../redis/settings.ts';
import type { SERVER_SETTINGS } from '../server-settings.ts';
import type { ConfigOf } from '../setting-declaration.ts';
import { destroyClient } from './connection-care.ts';
import { connectionRefusal } from './failures.ts';
import { compareMigrations, MIGRATIONS_TABLE } from './migrations.ts';
import { type Pooling, poolingOf } from './pooler.ts';
import { databaseClient } from './primary.ts';
import { loginOf } from './rights.ts';
import { OLDEST_POSTGRES, serverKind } from './server-kind.ts';
import type { DATABASE_SETTINGS } from './settings.ts';
import { sql, statement } from './statement.ts';

type Config = ConfigOf<typeof SERVER_SETTINGS | typeof DATABASE_SETTINGS | typeof REDIS_SETTINGS>;
type DatabaseCheck = Check<Config>;

/** Milliseconds for a connection, and for each statement on it. */
const PATIENCE = 3_000;
/** Name of the check that the others need. */
const CONNECTION = 'database.connection';

/** Runs work on a connection of its own, which is cut afterwards. */
async function connected<T>(url: string | undefined, work: (client: pg.Client) => Promise<T>): Promise<T> {
  if (url === undefined) throw new Error('there is no database yet');
  const client = databaseClient(url, {
    application_name: 'gatehouse doctor',
    connectionTimeoutMillis: PATIENCE,
    query_timeout: PATIENCE,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    destroyClient(client);
  }
}

async function rowOf<Row extends pg.QueryResultRow>(
  client: pg.Client,
  text: string,
  values: unknown[] = [],
): Promise<Row> {
  const { rows } = await client.query<Row>(text, values);
  const [row] = rows;
  if (!row) throw new Error('the database answered without a row');
  return row;
}

const ADVICE = 'Use PostgreSQL itself, or a managed PostgreSQL.';

const connection: DatabaseCheck = {
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

const writable: DatabaseCheck = {
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

const migrations: DatabaseCheck = {
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

const migratingLogin: DatabaseCheck = {
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

interface Privilege {
  name: string;
  verb: string;
  granted: boolean;
  owned: boolean;
}

const privileges = (tables: readonly string[]) => sql<Privilege>`
  select c.relname as name, verb, has_table_privilege(c.oid, verb) as granted,
    pg_has_role(c.relowner, 'usage') as owned
  from pg_class c cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as verb
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname = any(${tables})
  order by 1, 2`;

const GRANT =
  'Run "gatehouse migrate up" with DATABASE_MIGRATION_URL, which grants the rights of this release again.';

/** The serving login has what the gateway needs. */
const rights: DatabaseCheck = {
  name: 'database.rights',
  after: CONNECTION,
  async run({ fork, declared: { rights } }) {
    const em = fork();
    const tables: Readonly<Record<string, readonly string[]>> = {
      ...rights.tables,
      [MIGRATIONS_TABLE]: ['select'],
    };
    const found = await statement(em, privileges(Object.keys(tables)));
    const functions = await statement(
      em,
      sql<{ name: string }>`select name from unnest(${rights.functions}::text[]) as name
        where to_regprocedure(name) is not null and not has_function_privilege(to_regprocedure(name), 'execute')`,
    );
    const missing = [
      ...found
        .filter(({ name, verb, granted }) => !granted && tables[name]?.includes(verb))
        .map(describeRight),
      ...functions.map(({ name }) => `execute ${name}`),
    ];
    return missing.length === 0
      ? ok('The serving login has every right that it needs.')
      : fail(`The serving login lacks rights: ${listed(missing)}.`, GRANT);
  },
};

interface Role {
  name: string;
  superuser: boolean;
  createrole: boolean;
  createdb: boolean;
  bypassrls: boolean;
}

/** The serving login can do nothing else. An attacker who takes it over then cannot either. */
const excess: DatabaseCheck = {
  name: 'database.excess-rights',
  after: CONNECTION,
  async run({ config, fork, declared: { rights } }) {
    const em = fork();
    const problem = failIn(config.production);
    const [role] = await statement(
      em,
      sql<Role>`select rolname as name, rolsuper as superuser, rolcreaterole as createrole, rolcreatedb as createdb,
        rolbypassrls as bypassrls from pg_roles where rolname = current_user`,
    );
    if (!role) return fail('The serving login is not in pg_roles.', ADVICE);
    if (role.superuser)
      return problem(
        `The serving login ${role.name} is a superuser, and can read and change everything.`,
        'Let DATABASE_URL name a login that is neither superuser nor owner of the tables.',
      );
    const results: Result[] = [];
    const attributes = (['createrole', 'createdb', 'bypassrls'] as const).filter((name) => role[name]);
    if (attributes.length > 0)
      results.push(
        warn(
          `The serving login ${role.name} has ${attributes.join(', ').toUpperCase()}, which it does not need.`,
          `Run: alter role "${role.name}" ${attributes.map((name) => `no${name}`).join(' ')}`,
        ),
      );
    const found = await statement(em, privileges(Object.keys(rights.tables)));
    if (found.some(({ owned }) => owned)) {
      results.push(
        warn(
          `The serving login ${role.name} also owns tables, so an attacker who takes it over can change the audit trail.`,
          'Give DATABASE_MIGRATION_URL a login of its own that owns the tables, and run "gatehouse migrate up" with it.',
        ),
      );
      return results;
    }
    const more = found.filter(
      ({ name, verb, granted }) => granted && !(rights.tables[name] as readonly string[]).includes(verb),
    );
    const [audit, others] = [more.filter(isAudit), more.filter((row) => !isAudit(row))];
    if (audit.length > 0)
      results.push(
        problem(`The serving login may change the audit trail: ${listed(audit.map(describeRight))}.`, GRANT),
      );
    if (others.length > 0)
      results.push(
        warn(
          `The serving login has rights that it does not need: ${listed(others.map(describeRight))}.`,
          GRANT,
        ),
      );
    return results.length > 0 ? results : ok('The serving login has no right that it does not need.');
  },
};

const isAudit = ({ name }: Privilege): boolean => name === 'audit_event';
const describeRight = ({ verb, name }: Privilege): string => `${verb} on ${name}`;

const MOST_NAMED = 5;
const listed = (names: readonly string[]): string =>
  names.length <= MOST_NAMED
    ? names.join(', ')
    : `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} more`;

/** Class of the advisory locks of the doctor, in the key space of two numbers, which the gateway does not use. */
const LOCK_CLASS = 0x6761_0000;

const advisoryLock: DatabaseCheck = {
  name: 'database.advisory-lock',
  after: CONNECTION,
  run: ({ servingUrl }) =>
    connected(servingUrl, (holder) =>
      connected(servingUrl, async (other) => {
        const key = [LOCK_CLASS, Math.floor(Math.random() * 0x7fff_ffff)];
        const take = async (client: pg.Client) => {
          await client.query('begin');
          return rowOf<{ taken: boolean }>(client, 'select pg_try_advisory_xact_lock($1, $2) as taken', key);
        };
        const [first, second] = [await take(holder), await take(other)];
        await Promise.all([holder.query('rollback'), other.query('rollback')]);
        const third = await take(other);
        await other.query('rollback');
        return first.taken && !second.taken && third.taken
          ? ok('An advisory lock excludes a second connection.')
          : fail(
              'An advisory lock does not exclude a second connection, so two processes could migrate or rotate keys at once.',
              ADVICE,
            );
      }),
    ),
};

const pooler: DatabaseCheck = {
  name: 'database.pooler',
  after: CONNECTION,
  async run({ servingUrl = '' }) {
    const pooling: Pooling = await poolingOf(servingUrl);
    if (pooling === 'none') return ok('No connection pooler stands before the database.');
    if (pooling === 'session') return ok('A connection pooler in session mode stands before the database.');
    const { statement_timeout: timeout } = await connected(servingUrl, (client) =>
      rowOf<{ statement_timeout: string }>(client, 'show statement_timeout'),
    );
    const login = loginOf(servingUrl);
    return timeout === '0'
      ? warn(
          'A connection pooler in transaction mode stands before the database, and the serving login has no statement timeout of its own.',
          `Run: ${['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'].map((name) => `alter role "${login}" set ${name} = '${name === 'lock_timeout' ? 3 : 5}s';`).join(' ')}`,
        )
      : ok(
          'A connection pooler in transaction mode stands before the database; the login has its own timeouts.',
        );
  },
};

/** Milliseconds for a NOTIFY to arrive. */
const NOTIFY_PATIENCE = 2_000;

const notify: DatabaseCheck = {
  name: 'database.notify',
  after: CONNECTION,
  async run({ config, servingUrl = '' }) {
    // With Redis, processes wake each other through Redis.
    if (config.redis.url !== undefined) return null;
    const lost = warn(
      'A NOTIFY does not arrive, so each process polls for revocations every half second.',
      'Set REDIS_URL, or connect without a pooler in transaction mode.',
    );
    // A LISTEN here would stay with the server after the pooler has lent it to another client.
    if ((await poolingOf(servingUrl)) === 'transaction') return lost;
    return connected(servingUrl, (listener) =>
      connected(servingUrl, async (sender) => {
        // Gateways listen on this channel too, and ignore this topic.
        const topic = `doctor ${newId()}`;
        const { promise: heard, resolve } = Promise.withResolvers<boolean>();
        listener.on('notification', ({ payload }) => {
          if (payload === topic) resolve(true);
        });
        await listener.query(`listen ${CHANNEL}`);
        await sender.query('select pg_notify($1, $2)', [CHANNEL, topic]);
        const timer = setTimeout(() => resolve(false), NOTIFY_PATIENCE);
        const arrived = await heard;
        clearTimeout(timer);
        return arrived ? ok('A NOTIFY arrives at another connection.') : lost;
      }),
    );
  },
};

/** Milliseconds for the horizon to pass a transaction, and between two looks. */
const HORIZON_PATIENCE = 2_500;
const HORIZON_PAUSE = 100;

interface Holder {
  who: string;
  seconds: number | null;
}

/**
 * The transaction with the number of the horizon. PostgreSQL shows the age of other logins' transactions only
 * to members of pg_read_all_stats.
 */
const HOLDER = `
  select 'pid ' || pid || ' of the login ' || coalesce(usename, '?') as who,
    extract(epoch from now() - xact_start)::int as seconds
  from pg_stat_activity where backend_xid = pg_snapshot_xmin(pg_current_snapshot())::xid
  union all
  select 'the prepared transaction ' || gid || ' of the login ' || owner, extract(epoch from now() - prepared)::int
  from pg_prepared_xacts where transaction = pg_snapshot_xmin(pg_current_snapshot())::xid`;

/** The reading of revocations relies on snapshots that see each committed transaction, and advance past it. */
const horizon: DatabaseCheck = {
  name: 'database.horizon',
  after: CONNECTION,
  run: ({ servingUrl }) =>
    connected(servingUrl, async (client) => {
      const { id } = await rowOf<{ id: string }>(client, 'select pg_current_xact_id()::text as id');
      const look = () =>
        rowOf<{ visible: boolean; passed: boolean }>(
          client,
          `select pg_visible_in_snapshot($1::xid8, pg_current_snapshot()) as visible,
             pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8 as passed`,
          [id],
        );
      const until = performance.now() + HORIZON_PATIENCE;
      let seen = await look();
      while (!seen.passed && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, HORIZON_PAUSE));
        seen = await look();
      }
      if (!seen.visible)
        return fail('A snapshot does not see a transaction that was committed before it.', ADVICE);
      if (seen.passed) return ok('The transaction horizon advances after a commit.');
      const { rows } = await client.query<Holder>(HOLDER);
      const [holder] = rows;
      if (!holder)
        return fail('The transaction horizon does not advance, and no open transaction holds it.', ADVICE);
      return warn(
        `The transaction horizon stands still: ${holder.who} holds it${ageOf(holder.seconds)}.`,
        'End that transaction: each gateway reads every revocation since its start again and again, and vacuum cannot clean up.',
      );
    }),
};

const ageOf = (seconds: number | null): string => {
  if (seconds === null) return '';
  return seconds < 120 ? ` for ${seconds} s` : ` for ${Math.floor(seconds / 60)} minutes`;
};

/** Seconds after which a transaction counts as old: far longer than any of the gateway, which end within 5 s. */
const OLD = 300;
/**
 * Where PostgreSQL hides the start time of a session, its snapshot counts as old after this many
 * transactions.
 */
const FAR_BEHIND = 1_000_000;

interface OldTransaction extends Holder {
  id: string;
}

/** Finds transactions that have been open for long, which keep vacuum from cleaning up. */
export function oldTransactions({ olderThanSeconds = OLD } = {}): DatabaseCheck {
  const query = `
    select pid::text as id, 'pid ' || pid || ' of the login ' || coalesce(usename, '?') as who,
      extract(epoch from now() - xact_start)::int as seconds
    from pg_stat_activity
    where pid <> pg_backend_pid() and usesysid is not null
      and (xact_start < now() - make_interval(secs => $1)
           or (xact_start is null and age(backend_xmin) > ${FAR_BEHIND}))
    union all
    select gid, 'the prepared transaction ' || gid || ' of the login ' || owner, extract(epoch from now() - prepared)::int
    from pg_prepared_xacts where prepared < now() - make_interval(secs => $1)`;
  return {
    name: 'database.old-transactions',
    after: CONNECTION,
    async run({ servingUrl, ownerUrl }) {
      const ask = (url: string | undefined) =>
        connected(
          url,
          async (client) => (await client.query<OldTransaction>(query, [olderThanSeconds])).rows,
        );
      // Each login sees the age of its own transactions, such as a dump by the owner.
      const ofOwner = ownerUrl === servingUrl ? [] : ask(ownerUrl).catch(() => []);
      const rows = (await Promise.all([ask(servingUrl), ofOwner])).flat();
      const found = new Map<string, OldTransaction>();
      for (const row of rows) if (!found.get(row.id)?.seconds) found.set(row.id, row);
      return found.size === 0
        ? ok('No old transaction is open on the server.')
        : [...found.values()].map(({ who, seconds }) =>
            warn(
              `A transaction is open${ageOf(seconds)}: ${who}.`,
              'End it (commit, rollback prepared, or pg_terminate_backend): until then vacuum cannot clean up.',
            ),
          );
    },
  };
}

interface Slot {
  name: string;
  lost: boolean;
}

const replicationSlots: DatabaseCheck = {
  name: 'database.replication-slots',
  after: CONNECTION,
  run: ({ servingUrl }) =>
    connected(servingUrl, async (client) => {
      const { rows } = await client.query<Slot>(
        `select slot_name as name, coalesce(wal_status in ('unreserved', 'lost'), false) as lost
         from pg_replication_slots where not active order by 1`,
      );
      if (rows.length === 0) return ok('No replication slot is without its reader.');
      return rows.map(({ name, lost }) =>
        warn(
          lost
            ? `The replication slot ${name} has lost its write-ahead log, so its standby can no longer follow.`
            : `The replication slot ${name} has no reader, so the server keeps its write-ahead log until the disk is full.`,
          `Bring its reader back, or run: select pg_drop_replication_slot('${name}')`,
        ),
      );
    }),
};

/** Settings of the server that lose acknowledged changes when they are off. */
const DURABLE = ['fsync', 'full_page_writes', 'synchronous_commit'] as const;

const durability: DatabaseCheck = {
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

const connections: DatabaseCheck = {
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

const clock: DatabaseCheck = {
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

export const DATABASE_CHECKS = [
  connection,
  writable,
  migrations,
  migratingLogin,
  rights,
  excess,
  advisoryLock,
  pooler,
  notify,
  horizon,
  oldTransactions(),
  replicationSlots,
  durability,
  connections,
  clock,
] as const;
