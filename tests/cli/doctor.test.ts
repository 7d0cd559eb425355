/** @topology one: looks at servers of its own, and starts no gateway but one */
import { existsSync, openSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { examine, type Finding, withMigrations } from '../../src/composition/index.ts';
import { type Config, loadConfig } from '../../src/config/index.ts';
import { type Foundation, layFoundation } from '../../src/foundation.ts';
import { CHECKS } from '../../src/modules.ts';
import { oldTransactions } from '../../src/platform/database/checks/index.ts';
import { serverKind } from '../../src/platform/database/server-kind.ts';
import type { Check } from '../../src/platform/doctor/index.ts';
import { generatedSecrets } from '../../src/platform/generated-secrets.ts';
import type { Environment } from '../../src/platform/settings.ts';
import { serveMetrics } from '../../src/platform/telemetry/metrics-server.ts';
import { command } from '../support/command.ts';
import { key, newSecrets } from '../support/gateway.ts';
import { GoogleStandIn } from '../support/google-stand-in.ts';
import { TestOtlpReceiver } from '../support/otlp.ts';
import { hasPgBouncer, TestPgBouncer } from '../support/pgbouncer.ts';
import { PostgresPretender } from '../support/postgres-pretender.ts';
import { freePort, GatehouseProcess } from '../support/process.ts';
import { eventually } from '../support/race.ts';
import { hasRedis, redisCommand, TestCluster, TestRedis } from '../support/redis.ts';
import { noteKeys, noteSecret, refuseSecretsIn } from '../support/secret-watch.ts';
import { TestSentry } from '../support/sentry.ts';
import { TestSmtp } from '../support/smtp.ts';
import { TestSyslog } from '../support/syslog.ts';

const ALL = CHECKS as ReadonlyArray<Check<Config>>;
const ON_REDIS = hasRedis ? describe : describe.skip;
const BEHIND_PGBOUNCER = hasPgBouncer ? describe : describe.skip;

/** In the settings of the tests. */
const PASSWORDS = [
  'the-mail-password',
  'the-redis-password',
  'the-gateway-password',
  'the-google-secret',
  'the-sentry-key',
  'a-wrong-password',
  'not-the-password',
  'another-password',
  'helper-password',
];

/** A PostgreSQL of this file: its faults are planted in logins and settings of the whole server. */
let dataDir: string;
let foundation: Foundation;
let superuser: pg.Client;
let secrets: Environment;
let smtp: TestSmtp;
let syslog: TestSyslog;
let redis: TestRedis | undefined;
const planted: Array<() => unknown> = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-doctor-'));
  const config = loadConfig({ DATA_DIR: dataDir });
  foundation = await layFoundation(config, () => {});
  await withMigrations(foundation, (migrations) => migrations.up());
  const { database } = await generatedSecrets(dataDir);
  const url = new URL(foundation.ownerUrl);
  Object.assign(url, { username: 'postgres', password: database.superuser });
  superuser = new pg.Client({ connectionString: url.href });
  superuser.on('error', () => {});
  await superuser.connect();
  secrets = newSecrets();
  for (const text of [foundation.servingUrl, foundation.ownerUrl, ...PASSWORDS])
    noteSecret('password', URL.parse(text)?.password ?? text);
  smtp = await TestSmtp.start({ login: { user: 'gateway', password: 'the-mail-password' } });
  syslog = await TestSyslog.start();
  if (!hasRedis) return;
  redis = await TestRedis.start(['--appendonly', 'yes', '--appendfsync', 'always']);
  await redis.command('CONFIG', 'SET', 'requirepass', 'the-redis-password');
});
afterEach(async () => {
  for (const undo of planted.splice(0).reverse()) await undo();
});
afterAll(async () => {
  await GatehouseProcess.killAll();
  await Promise.all([redis?.close(), syslog.stop(), smtp.stop()]);
  await foundation.close();
  await rm(dataDir, { recursive: true, force: true });
});

/** A deployment as the documents recommend it, with overrides. */
const production = (overrides: Environment = {}): Environment => ({
  NODE_ENV: 'production',
  ...secrets,
  PUBLIC_URL: 'https://auth.example.com',
  CLIENT_ORIGIN: 'https://app.example.com',
  COOKIE_DOMAIN: 'example.com',
  TRUSTED_PROXIES: '10.0.0.0/8,127.0.0.1',
  DATABASE_URL: foundation.servingUrl,
  SMTP_URL: smtp.url.replace('//', '//gateway:the-mail-password@'),
  MAIL_FROM: 'no-reply@example.com',
  AUDIT_STREAM: syslog.url,
  ...(redis && { REDIS_URL: redis.url.replace('//', '//:the-redis-password@'), SESSION_STORE: 'redis' }),
  ...overrides,
});
const development = (overrides: Environment = {}): Environment => ({ DATA_DIR: dataDir, ...overrides });

/** Runs some checks, with those that they need. @throws when a finding holds a secret. */
async function look(
  environment: Environment,
  names: readonly string[],
  { checks = ALL, machine }: { checks?: ReadonlyArray<Check<Config>>; machine?: () => number } = {},
): Promise<Finding[]> {
  const wanted = new Set(names);
  for (const { name, after } of checks.toReversed())
    if (after !== undefined && wanted.has(name)) wanted.add(after);
  noteKeys(environment);
  const found = await examine(loadConfig(environment), {
    checks: checks.filter(({ name }) => wanted.has(name)),
    ...(machine && { machine }),
  });
  refuseSecretsIn([JSON.stringify(found)]);
  return found.filter(({ check }) => names.includes(check) || !wanted.has(check));
}

/** What a command printed. @throws when it holds a secret. */
function findingsIn(output: string): Finding[] {
  refuseSecretsIn([output]);
  return JSON.parse(output) as Finding[];
}

/** What one check says of a deployment. */
const lookOnce = async (environment: Environment, name: string, options = {}) =>
  (await look(environment, [name], options)).map(({ status, message }) => `${status}: ${message}`);

/** Leaves out the log: standard error of this process is that of Jest. */
const wrongIn = (found: readonly Finding[]) =>
  found.filter(({ check, status }) => status !== 'ok' && check !== 'log');

/** Runs SQL as the superuser, and undoes it after the test. */
async function plant(statement: string, undo: string): Promise<void> {
  planted.push(() => superuser.query(undo));
  await superuser.query(statement);
}

/** Changes a setting of the whole server until the test has ended. */
async function plantSetting(setting: string, value: string): Promise<void> {
  const reload = () => superuser.query('select pg_reload_conf()');
  planted.push(reload, () => superuser.query(`alter system reset ${setting}`));
  await superuser.query(`alter system set ${setting} = ${value}`);
  await reload();
  const now = async () => {
    const other = new pg.Client({ connectionString: foundation.servingUrl });
    await other.connect();
    const { rows } = await other.query(`select current_setting($1) as value`, [setting]);
    await other.end();
    return rows[0]?.value;
  };
  await eventually(now, (current) => current === value);
}

describe('gatehouse doctor on a good deployment', () => {
  it('finds nothing in development on the embedded PostgreSQL, by the built command', async () => {
    const run = GatehouseProcess.run(['doctor', '--json'], development());
    expect(await run.ended).toBe(0);
    const found = findingsIn(run.output);
    expect(found.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(found.map(({ check }) => check)).toContain('database.horizon');
    for (const finding of found) expect(Object.keys(finding)).toEqual(['check', 'status', 'message', 'fix']);
  });

  it('finds nothing in production, prints a line for each check, and exits with 0', async () => {
    const run = GatehouseProcess.run(['doctor'], production());
    expect(await run.ended).toBe(0);
    const lines = run.output.trimEnd().split('\n');
    expect(lines.filter((line) => !line.startsWith('ok '))).toEqual([]);
    expect(lines.length).toBeGreaterThan(20);
    refuseSecretsIn(lines);
    expect(run.errors.trim()).toBe('');
  });

  it('changes nothing and makes nothing before the first start', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-doctor-new-'));
    planted.push(() => rm(folder, { recursive: true, force: true }));
    const found = await examine(loadConfig({ DATA_DIR: join(folder, 'data') }));
    expect(wrongIn(found)).toEqual([]);
    await expect(chmod(join(folder, 'data'), 0o700)).rejects.toThrow('ENOENT');
  });
});

describe('gatehouse doctor, settings', () => {
  it('lists every contradiction and every unknown name, and exits with 1', async () => {
    const { code, output, errors } = await command(
      ['doctor', '--json'],
      production({ GOOGLE_CLIENT_ID: 'x', COOKIE_DOMIAN: 'example.com', SMTP_PORT: '25' }),
    );
    const found = findingsIn(output);
    expect(found.map(({ status, message }) => `${status}: ${message}`)).toEqual([
      'fail: GOOGLE_CLIENT_ID is set, so GOOGLE_CLIENT_SECRET must be set too.',
      'fail: COOKIE_DOMIAN is not a setting: did you mean COOKIE_DOMAIN?',
    ]);
    expect(errors).toBe('2 checks failed.\n');
    expect(code).toBe(1);
  });

  it('exits with 0 when there are only warnings, such as an unknown name in development', async () => {
    const { code, output } = await command(['doctor'], { ...development(), COOKIE_DOMIAN: 'example.com' });
    expect(output).toMatch(/^warn {2}settings +COOKIE_DOMIAN is not a setting/m);
    expect(code).toBe(0);
  });

  const shared = key();
  const text = Buffer.from('a-passphrase-of-thirty-two-chars').toString('base64');
  it.each<[fault: string, check: string, settings: () => Environment, expected: RegExp]>([
    [
      'a key that two settings share',
      'keys.strength',
      () => ({ ...production(), NODE_ENV: 'test', TOKEN_KEY: shared, PASSWORD_PEPPER: shared }),
      /^warn: TOKEN_KEY and PASSWORD_PEPPER share a key/,
    ],
    [
      'a key that is readable text',
      'keys.strength',
      () => production({ ENCRYPTION_KEY: text }),
      /^warn: ENCRYPTION_KEY has a key that is readable text/,
    ],
    [
      'no trusted proxy behind https',
      'http.proxies',
      () => production({ TRUSTED_PROXIES: '' }),
      /^fail: .*all clients count as one and share each rate limit\.$/,
    ],
    [
      'trusted proxies that are half of the internet',
      'http.proxies',
      () => production({ TRUSTED_PROXIES: '10.0.0.0/8,128.0.0.0/1' }),
      /^fail: TRUSTED_PROXIES has 128\.0\.0\.0\/1, so clients on the internet can forge/,
    ],
    [
      'trusted proxies that are a private network and its public surroundings',
      'http.proxies',
      () => production({ TRUSTED_PROXIES: '192.168.0.0/8' }),
      /^fail: TRUSTED_PROXIES has 192\.168\.0\.0\/8/,
    ],
    [
      'trusted proxies that are all of IPv4, written as IPv6',
      'http.proxies',
      () => production({ TRUSTED_PROXIES: '::ffff:0:0/96' }),
      /^fail: TRUSTED_PROXIES has ::ffff:0:0\/96/,
    ],
    [
      'an http origin in production',
      'http.origins',
      () => production({ CLIENT_ORIGIN: 'https://app.example.com,http://localhost:3000' }),
      /^warn: CLIENT_ORIGIN has http:\/\/localhost:3000/,
    ],
    [
      'a cookie domain that is a public suffix',
      'sessions.cookie-domain',
      () => production({ PUBLIC_URL: 'https://auth.co.uk', COOKIE_DOMAIN: 'co.uk' }),
      /^fail: COOKIE_DOMAIN co\.uk is a public suffix, so browsers drop every cookie/,
    ],
    [
      'a cookie domain of a hoster, on the private part of the list',
      'sessions.cookie-domain',
      () => production({ PUBLIC_URL: 'https://gate.github.io', COOKIE_DOMAIN: 'github.io' }),
      /^fail: COOKIE_DOMAIN github\.io is a public suffix/,
    ],
    [
      'a front end on another site, with tokens in both places',
      'sessions.same-site',
      () => production({ CLIENT_ORIGIN: 'https://app.example.com,https://other.example.org' }),
      /^warn: CLIENT_ORIGIN https:\/\/other\.example\.org is on another site than PUBLIC_URL/,
    ],
    [
      'a front end on another site, with tokens in cookies only',
      'sessions.same-site',
      () => production({ CLIENT_ORIGIN: 'https://other.example.org', TOKEN_DELIVERY: 'cookie' }),
      /^fail: CLIENT_ORIGIN https:\/\/other\.example\.org is on another site/,
    ],
    [
      'a sender that no receiver can reach',
      'mail.sender',
      () => production({ MAIL_FROM: 'no-reply@gateway.internal' }),
      /^warn: MAIL_FROM has the domain gateway\.internal/,
    ],
    [
      'no mail server in production',
      'mail.server',
      () => production({ SMTP_URL: '' }),
      /^warn: SMTP_URL is not set, so mails wait/,
    ],
    [
      'the sandbox of Blockpass in production',
      'blockpass.settings',
      () =>
        production({
          BLOCKPASS_CLIENT_ID: 'developer_service',
          BLOCKPASS_CLIENT_SECRET: 'developer_service',
          BLOCKPASS_BASE_URL: 'https://sandbox-api.blockpass.org',
        }),
      /^warn: Blockpass is its sandbox/,
    ],
  ])('finds %s', async (_fault, check, settings, expected) => {
    expect(await lookOnce(settings(), check)).toEqual([expect.stringMatching(expected)]);
  });

  it.each([
    '10.0.0.0/8',
    '::ffff:10.0.0.0/104',
    '172.16.0.0/12',
    'fd00::/8',
    '172.64.0.0/13',
    '2a06:98c0::/29',
    '203.0.113.7',
  ])('accepts the trusted proxies %s', async (network) => {
    expect(await lookOnce(production({ TRUSTED_PROXIES: network }), 'http.proxies')).toEqual([
      'ok: TRUSTED_PROXIES names the proxies.',
    ]);
  });
});

describe('gatehouse doctor, the database', () => {
  it.each<[fault: string, check: string, plant: () => Promise<void>, expected: RegExp]>([
    [
      'a serving login that is a superuser',
      'database.excess-rights',
      () => plant('alter role gatehouse_app superuser', 'alter role gatehouse_app nosuperuser'),
      /^fail: The serving login gatehouse_app is a superuser/,
    ],
    [
      'a serving login that may make databases and logins',
      'database.excess-rights',
      () =>
        plant(
          'alter role gatehouse_app createdb createrole',
          'alter role gatehouse_app nocreatedb nocreaterole',
        ),
      /^warn: The serving login gatehouse_app has CREATEROLE, CREATEDB/,
    ],
    [
      'a serving login that may change the audit trail',
      'database.excess-rights',
      () =>
        plant(
          'grant update, delete on audit_event to gatehouse_app',
          'revoke update, delete on audit_event from gatehouse_app',
        ),
      /^fail: The serving login may change the audit trail: delete on audit_event, update on audit_event/,
    ],
    [
      'a serving login that owns the tables',
      'database.excess-rights',
      () => plant('grant gatehouse_owner to gatehouse_app', 'revoke gatehouse_owner from gatehouse_app'),
      /^warn: The serving login gatehouse_app also owns tables/,
    ],
    [
      'a serving login that lacks rights',
      'database.rights',
      () =>
        plant(
          'revoke insert on audit_event from gatehouse_app; revoke execute on function delete_old_endings(int) from gatehouse_app',
          'grant insert on audit_event to gatehouse_app; grant execute on function delete_old_endings(int) to gatehouse_app',
        ),
      /^fail: The serving login lacks rights: insert on audit_event, execute delete_old_endings\(int\)\.$/,
    ],
    [
      'a serving login that may hold few connections',
      'database.connections',
      () =>
        plant('alter role gatehouse_app connection limit 15', 'alter role gatehouse_app connection limit -1'),
      /^warn: The serving login may have 15 connections, and a gateway uses up to 22/,
    ],
    [
      'commits that do not wait for the disk',
      'database.durability',
      () =>
        plant(
          'alter role gatehouse_app set synchronous_commit = off',
          'alter role gatehouse_app reset synchronous_commit',
        ),
      /^fail: synchronous_commit is off/,
    ],
    ['fsync off', 'database.durability', () => plantSetting('fsync', 'off'), /^fail: fsync is off/],
    [
      'a serving login whose transactions are read-only',
      'database.writable',
      () =>
        plant(
          'alter role gatehouse_app set default_transaction_read_only = on',
          'alter role gatehouse_app reset default_transaction_read_only',
        ),
      /^fail: Transactions of the serving login are read-only/,
    ],
    [
      'a migration that is pending',
      'database.migrations',
      () =>
        plant(
          `create table kept as table migration; delete from migration where id = (select max(id) from migration)`,
          'delete from migration; insert into migration table kept; drop table kept',
        ),
      /^fail: 1 migration is pending, \d+_\w+ first, so the gateway does not start/,
    ],
    [
      'a migration of a newer release',
      'database.migrations',
      () =>
        plant(
          `insert into migration (name) values ('29991231000000_later')`,
          `delete from migration where name = '29991231000000_later'`,
        ),
      /^warn: .* such as 29991231000000_later: a newer release has migrated it/,
    ],
    [
      'a replication slot without a reader',
      'database.replication-slots',
      () =>
        plant(
          `select pg_create_physical_replication_slot('standby_2', true)`,
          `select pg_drop_replication_slot('standby_2')`,
        ),
      /^warn: The replication slot standby_2 has no reader/,
    ],
    [
      'keys of another database',
      'keys.database',
      () =>
        plant(
          `insert into key_check (setting, key_id, proof) values ('TOKEN_KEY', '00000000', '\\x00')`,
          'delete from key_check',
        ),
      /^fail: TOKEN_KEY holds none of the keys that this database was written with/,
    ],
  ])('finds %s', async (_fault, check, plantFault, expected) => {
    await plantFault();
    expect(await lookOnce(production(), check)).toEqual([expect.stringMatching(expected)]);
  });

  it('warns in development of a database that no migration has reached, and of nothing else', async () => {
    await plant('create database unmigrated owner gatehouse_owner', 'drop database unmigrated with (force)');
    const at = (url: string) => url.replace(/gatehouse$/, 'unmigrated');
    const found = await look(
      development({
        ...secrets,
        DATABASE_URL: at(foundation.servingUrl),
        DATABASE_MIGRATION_URL: at(foundation.ownerUrl),
      }),
      ALL.map(({ name }) => name),
    );
    expect(wrongIn(found).map(({ check, status }) => `${status} ${check}`)).toEqual([
      'warn database.migrations',
    ]);
  });

  it('finds one login that serves and owns the tables', async () => {
    const found = await lookOnce(production({ DATABASE_URL: foundation.ownerUrl }), 'database.excess-rights');
    expect(found).toEqual([
      expect.stringMatching(/^warn: The serving login gatehouse_owner also owns tables/),
    ]);
  });

  it('finds a migrating login that is refused, or may not migrate', async () => {
    const wrong = foundation.ownerUrl.replace(/:[^:@]+@/, ':a-wrong-password@');
    const name = 'database.migrating-login';
    expect(await lookOnce(production({ DATABASE_MIGRATION_URL: wrong }), name)).toEqual([
      'fail: DATABASE_MIGRATION_URL: the database refused the login (28P01).',
    ]);
    await plant(`create role helper login password 'helper-password'`, 'drop role helper');
    const helper = foundation.ownerUrl.replace(/\/\/[^@]+@/, '//helper:helper-password@');
    expect(await lookOnce(production({ DATABASE_MIGRATION_URL: helper }), name)).toEqual([
      expect.stringMatching(/^fail: The login helper of DATABASE_MIGRATION_URL may not migrate/),
    ]);
  });

  it('finds a database that is away, and says how many checks that left out', async () => {
    const away = foundation.servingUrl.replace(/:\d+\//, `:${await freePort()}/`);
    const names = ALL.map(({ name }) => name).filter((name) => name.startsWith('database.'));
    expect(await look(production({ DATABASE_URL: away }), names)).toEqual([
      {
        check: 'database.connection',
        status: 'fail',
        message: expect.stringMatching(/\bECONNREFUSED\b.* \d\d other checks need it and did not run\.$/),
        fix: expect.stringContaining('DATABASE_URL'),
      },
    ]);
  });

  it.each([
    [10, 'warn: The clock of this machine is 10 s ahead of the database'],
    [-10, 'warn: The clock of this machine is 10 s behind the database'],
    [400, 'fail: The clock of this machine is 400 s ahead of the database'],
  ])('finds a clock that is %i s off', async (seconds, expected) => {
    const machine = () => Date.now() + seconds * 1_000;
    expect(await lookOnce(production(), 'database.clock', { machine })).toEqual([
      expect.stringContaining(expected),
    ]);
  });

  it('names an open transaction that holds the horizon, with its process and age', async () => {
    const holder = new pg.Client({ connectionString: foundation.servingUrl });
    planted.push(() => holder.end());
    await holder.connect();
    await holder.query('begin');
    const { rows } = await holder.query('select pg_current_xact_id(), pg_backend_pid() as pid');
    const checks = [...ALL, oldTransactions({ olderThanSeconds: 0 }) as Check<Config>].filter(
      ({ name }, index, all) => all.findLastIndex((other) => other.name === name) === index,
    );
    const found = await look(production(), ['database.horizon', 'database.old-transactions'], { checks });
    const who = `pid ${rows[0].pid} of the login gatehouse_app`;
    expect(found.map(({ status, message }) => `${status}: ${message}`)).toEqual([
      expect.stringMatching(`^warn: The transaction horizon stands still: ${who} holds it for \\d+ s\\.$`),
      expect.stringMatching(`^warn: A transaction is open for \\d+ s: ${who}\\.$`),
    ]);
  });

  it('names a database that only pretends to be PostgreSQL', async () => {
    const pretender = await PostgresPretender.start([
      [/version\(\)/, { version: 'CockroachDB CCL v25.2.1 (x86_64-pc-linux-gnu)' }],
    ]);
    planted.push(() => pretender.close());
    expect(await lookOnce(production({ DATABASE_URL: pretender.url }), 'database.connection')).toEqual([
      expect.stringMatching(
        /^fail: The database is CockroachDB, which only speaks the protocol of PostgreSQL/,
      ),
    ]);
  });

  it('finds a PostgreSQL that is too old, and one that is a standby', async () => {
    const inAnswerTo = async (version: string, name: string) => {
      const server = await PostgresPretender.start([
        [/version\(\)/, { version }],
        [/pg_is_in_recovery/, { only: 'on', standby: 'true' }],
      ]);
      planted.push(() => server.close());
      return lookOnce(production({ DATABASE_URL: server.url }), name);
    };
    expect(await inAnswerTo('PostgreSQL 14.9 on x86_64-pc-linux-gnu', 'database.connection')).toEqual([
      expect.stringMatching(/^fail: The database is PostgreSQL 14, which is older than the supported 15\./),
    ]);
    expect(await inAnswerTo('PostgreSQL 17.2 on x86_64-pc-linux-gnu', 'database.writable')).toEqual([
      'fail: The database is a standby, which accepts no writes.',
    ]);
  });

  it('finds an advisory lock that does not exclude, and a horizon that nothing holds', async () => {
    const pretender = await PostgresPretender.start([
      [/version\(\)/, { version: 'PostgreSQL 17.2 on x86_64-pc-linux-gnu' }],
      [/pg_try_advisory/, { taken: 'true' }],
      [/pg_current_xact_id/, { id: '800' }],
      [/pg_visible_in_snapshot/, { visible: 'true', passed: '' }],
    ]);
    planted.push(() => pretender.close());
    const found = await look(production({ DATABASE_URL: pretender.url }), [
      'database.advisory-lock',
      'database.horizon',
    ]);
    expect(found.map(({ status, message }) => `${status}: ${message}`)).toEqual([
      expect.stringMatching(/^fail: An advisory lock does not exclude a second connection/),
      'fail: The transaction horizon does not advance, and no open transaction holds it.',
    ]);
  });

  it.each([
    ['PostgreSQL 18.4 on x86_64-pc-linux-gnu, compiled by gcc, 64-bit', { postgres: 18 }],
    ['PostgreSQL 11.2-YB-2.20.1.3-b0 on x86_64-pc-linux-gnu', { other: 'YugabyteDB' }],
    ['PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift 1.0.38698', { other: 'Amazon Redshift' }],
    ['PostgreSQL 12.3, compiled by Visual C++ build 1914, 64-bit, QuestDB', { other: 'QuestDB' }],
    ['Something else 1.0', { other: 'an unknown server' }],
  ])('recognises %s', (version, kind) => {
    expect(serverKind(version)).toEqual(kind);
  });
});

BEHIND_PGBOUNCER('gatehouse doctor behind PgBouncer', () => {
  it.each(['session', 'transaction'] as const)(
    'knows the %s mode, and whether a NOTIFY arrives',
    async (mode) => {
      const bouncer = await TestPgBouncer.start(mode, [foundation.servingUrl, foundation.ownerUrl]);
      planted.push(() => bouncer.close());
      const environment = production({
        DATABASE_URL: bouncer.urlOf(foundation.servingUrl),
        DATABASE_MIGRATION_URL: bouncer.urlOf(foundation.ownerUrl),
        REDIS_URL: '',
        SESSION_STORE: '',
      });
      const found = await look(environment, ['database.advisory-lock', 'database.pooler', 'database.notify']);
      expect(found.map(({ status, message }) => `${status}: ${message}`)).toEqual(
        mode === 'session'
          ? [
              'ok: An advisory lock excludes a second connection.',
              'ok: A connection pooler in session mode stands before the database.',
              'ok: A NOTIFY arrives at another connection.',
            ]
          : [
              'ok: An advisory lock excludes a second connection.',
              expect.stringMatching(/^warn: A connection pooler in transaction mode .* no statement timeout/),
              expect.stringMatching(/^warn: A NOTIFY does not arrive/),
            ],
      );
    },
  );
});

ON_REDIS('gatehouse doctor, Redis', () => {
  const plantRedis = async (name: string, value: string) => {
    const config = (...args: string[]) => redisCommand(production().REDIS_URL ?? '', 'CONFIG', ...args);
    const [, before = ''] = (await config('GET', name)) as string[];
    planted.push(() => config('SET', name, before));
    await config('SET', name, value);
  };

  it.each([
    ['maxmemory-policy', 'allkeys-lru', /^fail: Redis holds the sessions and evicts keys .*allkeys-lru/],
    ['appendonly', 'no', /^fail: Redis holds the sessions and keeps no append-only file/],
    ['appendfsync', 'everysec', /^warn: Redis holds the sessions and loses the last ones .*everysec/],
  ])('finds %s %s where it holds the sessions', async (name, value, expected) => {
    await plantRedis(name, value);
    expect(await lookOnce(production(), 'sessions.store')).toEqual([expect.stringMatching(expected)]);
    expect(await lookOnce(production({ SESSION_STORE: 'postgres' }), 'sessions.store')).toEqual([]);
  });

  it('says so when a managed Redis refuses CONFIG, and judges what INFO tells', async () => {
    const managed = await TestRedis.start([
      '--rename-command',
      'CONFIG',
      '',
      '--maxmemory-policy',
      'volatile-lru',
    ]);
    planted.push(() => managed.close());
    const found = await lookOnce(production({ REDIS_URL: managed.url }), 'sessions.store');
    expect(found).toEqual([
      expect.stringMatching(/^fail: .*maxmemory-policy volatile-lru/),
      expect.stringMatching(/^fail: .*keeps no append-only file/),
      expect.stringMatching(/^warn: Redis refuses CONFIG/),
    ]);
  });

  it('judges every primary of a cluster, and says a shared mistake once', async () => {
    const cluster = await TestCluster.start();
    planted.push(() => cluster.close());
    await cluster.nodes[2]?.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu');
    const names = ['redis.connection', 'redis.clock', 'redis.events', 'sessions.store'];
    const found = await look(production({ REDIS_URL: cluster.url }), names);
    expect(found.map(({ check, status, message }) => `${status} ${check}: ${message}`)).toEqual([
      'ok redis.connection: Redis answers and accepts writes.',
      'ok redis.clock: The clocks of this machine and of Redis agree.',
      'ok redis.events: A message to one connection to Redis arrives from another.',
      expect.stringMatching(/^fail sessions\.store: .*keeps no append-only file/),
      expect.stringMatching(/^fail sessions\.store: .*maxmemory-policy allkeys-lfu/),
    ]);
  });

  it('finds a Redis that is away, refuses the password, or has no memory left', async () => {
    const check = 'redis.connection';
    const reasonFor = (url: string) => lookOnce(production({ REDIS_URL: url }), check);
    expect(await reasonFor(`redis://127.0.0.1:${await freePort()}`)).toEqual([
      expect.stringMatching(/^fail: REDIS_URL: Redis cannot be used: ECONNREFUSED\./),
    ]);
    expect(await reasonFor(redis?.url.replace('//', '//:another-password@') ?? '')).toEqual([
      expect.stringMatching(/^fail: REDIS_URL: Redis cannot be used: WRONGPASS/),
    ]);
    await plantRedis('maxmemory', '1');
    expect(await reasonFor(production().REDIS_URL ?? '')).toEqual([
      expect.stringMatching(/^fail: REDIS_URL: Redis cannot be used: OOM/),
    ]);
  });

  it('finds a user of Redis who may not subscribe', async () => {
    const url = production().REDIS_URL ?? '';
    planted.push(() => redisCommand(url, 'ACL', 'DELUSER', 'gateway'));
    await redisCommand(
      url,
      ...'ACL SETUSER gateway on >the-gateway-password ~* +@all resetchannels'.split(' '),
    );
    const mute = production({ REDIS_URL: redis?.url.replace('//', '//gateway:the-gateway-password@') });
    expect(await lookOnce(mute, 'redis.events')).toEqual([
      expect.stringMatching(/^warn: A message through Redis does not arrive/),
    ]);
  });

  it('finds a clock that differs from that of Redis', async () => {
    const machine = () => Date.now() + 60_000;
    expect(await lookOnce(production(), 'redis.clock', { machine })).toEqual([
      'warn: The clock of this machine is 60 s ahead of that of Redis.',
    ]);
  });
});

describe('gatehouse doctor, other services', () => {
  it.each<[fault: string, check: string, settings: () => Promise<Environment>, expected: RegExp]>([
    [
      'a mail server that is away',
      'mail.server',
      async () => production({ SMTP_URL: `smtp://127.0.0.1:${await freePort()}` }),
      /^fail: SMTP_URL: the mail server cannot be used: .*ECONNREFUSED/,
    ],
    [
      'a mail server that refuses the login',
      'mail.server',
      async () => production({ SMTP_URL: smtp.url.replace('//', '//gateway:not-the-password@') }),
      /^fail: SMTP_URL: the mail server cannot be used: EAUTH 535/,
    ],
    [
      'a receiver of the audit stream that is away',
      'audit.stream',
      async () => production({ AUDIT_STREAM: `syslog://127.0.0.1:${await freePort()}` }),
      /^fail: AUDIT_STREAM: the receiver cannot be used: ECONNREFUSED/,
    ],
    [
      'a Google issuer that is away',
      'google.issuer',
      async () =>
        development({
          GOOGLE_CLIENT_ID: 'x',
          GOOGLE_CLIENT_SECRET: 'the-google-secret',
          GOOGLE_ISSUER_URL: `http://127.0.0.1:${await freePort()}`,
        }),
      /^fail: Google sign-in does not work: discovery: no usable answer/,
    ],
    [
      'a Blockpass API that is away',
      'blockpass.api',
      async () => development({ BLOCKPASS_BASE_URL: `http://127.0.0.1:${await freePort()}` }),
      /^fail: The Blockpass API cannot be reached \(ECONNREFUSED\)/,
    ],
    [
      'a receiver of traces that is away',
      'telemetry.traces',
      async () => development({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}` }),
      /^warn: OTEL_EXPORTER_OTLP_ENDPOINT: the receiver cannot be reached \(ECONNREFUSED\)/,
    ],
    [
      'a receiver of error reports that is away',
      'telemetry.errors',
      async () => development({ SENTRY_DSN: `http://the-sentry-key@127.0.0.1:${await freePort()}/1` }),
      /^warn: SENTRY_DSN: the receiver cannot be reached \(ECONNREFUSED\)/,
    ],
    [
      'a port of the metrics that another program has',
      'telemetry.metrics',
      async () => development({ METRICS_PORT: smtp.port }),
      /^fail: METRICS_PORT \d+ is taken by another program/,
    ],
    [
      'a port that another program has',
      'http.port',
      async () => development({ PORT: smtp.port }),
      /^fail: PORT \d+ is taken by another program/,
    ],
  ])('finds %s', async (_fault, check, settings, expected) => {
    expect(await lookOnce(await settings(), check)).toEqual([expect.stringMatching(expected)]);
  });

  it('finds nothing when they answer', async () => {
    const google = await GoogleStandIn.start();
    const [otlp, sentry] = [await TestOtlpReceiver.start(), await TestSentry.start()];
    planted.push(
      () => google.close(),
      () => otlp.stop(),
      () => sentry.stop(),
    );
    const port = await freePort();
    const found = await look(
      development({
        ...google.settings,
        BLOCKPASS_BASE_URL: google.url,
        OTEL_EXPORTER_OTLP_ENDPOINT: otlp.url,
        SENTRY_DSN: sentry.dsn,
        METRICS_PORT: port,
      }),
      ALL.map(({ name }) => name).filter((name) => /^(google|blockpass|telemetry)\./.test(name)),
    );
    expect(found.map(({ check, status }) => `${status} ${check}`).sort()).toEqual([
      'ok blockpass.api',
      'ok google.issuer',
      'ok telemetry.errors',
      'ok telemetry.metrics',
      'ok telemetry.packages',
      'ok telemetry.traces',
    ]);
    expect(otlp.spans).toEqual([]);
    expect(sentry.envelopes.join('')).toBe('');
  });

  it('tells the metrics of a gateway from another program', async () => {
    const port = Number(await freePort());
    const metrics = { text: async () => 'gatehouse_redis_up 1', contentType: 'text/plain' };
    planted.push(await serveMetrics(metrics, { host: '127.0.0.1', port }));
    expect(await lookOnce(development({ METRICS_PORT: String(port) }), 'telemetry.metrics')).toEqual([
      `ok: A gateway serves its metrics on port ${port}.`,
    ]);
  });

  it('finds keys in DATA_DIR that others may read', async () => {
    const file = join(dataDir, 'secrets.json');
    planted.push(() => chmod(file, 0o600));
    await chmod(file, 0o644);
    expect(await lookOnce(development(), 'data-dir')).toEqual([
      `fail: Other users of this machine may read the keys in ${file}.`,
    ]);
  });

  it('finds a log that leads nowhere in production', async () => {
    const run = GatehouseProcess.run(['doctor', '--json'], production(), { log: openSync('/dev/null', 'w') });
    expect(await run.ended).toBe(0);
    const found = findingsIn(run.output).filter(({ status }) => status !== 'ok');
    expect(found.map(({ check, status, message }) => `${status} ${check}: ${message}`)).toEqual([
      expect.stringMatching(/^warn log: Standard error is closed or leads to \/dev\/null/),
    ]);
  });

  // Linux has this file.
  (existsSync('/dev/full') ? it : it.skip)(
    'finds a log that cannot be written, such as on a full disk, and exits with 1',
    async () => {
      const run = GatehouseProcess.run(['doctor', '--json'], production(), {
        log: openSync('/dev/full', 'w'),
      });
      expect(await run.ended).toBe(1);
      const found = findingsIn(run.output).filter(({ status }) => status !== 'ok');
      expect(found).toEqual([
        {
          check: 'log',
          status: 'fail',
          message: 'The log cannot be written to standard error: ENOSPC.',
          fix: expect.stringContaining('Make room on the disk'),
        },
      ]);
    },
  );
});

describe('gatehouse doctor on a stopped deployment', () => {
  it('starts the embedded PostgreSQL, finds nothing, and leaves it stopped', async () => {
    await superuser.end();
    await foundation.close();
    const { code, output } = await command(['doctor', '--json'], development());
    expect(wrongIn(findingsIn(output))).toEqual([]);
    expect(output).toContain('"database.horizon"');
    expect(code).toBe(0);
    expect(existsSync(join(dataDir, 'postgres', 'postmaster.pid'))).toBe(false);
  });
});
