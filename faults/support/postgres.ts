import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type * as Programs from '../../src/platform/embedded-postgres/binaries.ts';
import type * as Clusters from '../../src/platform/embedded-postgres/cluster.ts';
import type * as Launchers from '../../src/platform/embedded-postgres/unprivileged.ts';
import { freePort } from '../../tests/support/process.ts';
import { eventually } from '../../tests/support/race.ts';

/** Loads modules from the build, which `npm run faults` makes first. */
const built = <Module>(name: string) =>
  import(
    new URL(`../../dist/src/platform/embedded-postgres/${name}.js`, import.meta.url).href
  ) as Promise<Module>;
const { loadBinaries } = await built<typeof Programs>('binaries');
const { ensureCluster } = await built<typeof Clusters>('cluster');
const { findLauncher } = await built<typeof Launchers>('unprivileged');

const PASSWORD = 'faults';
/** Milliseconds. A server recovers from a crash within seconds. */
const READY_WITHIN_MS = 60_000;
/**
 * Settings of the server. Faults kill the process, never the machine, so the page cache keeps all writes. Waiting for
 * the disk would only slow down a run.
 */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '120',
  fsync: 'off',
  wal_level: 'replica',
  hot_standby: 'on',
};

/** A PostgreSQL on its own port that a fault may stop, kill, freeze, copy and promote. */
export class FaultPostgres {
  #server: ChildProcess | undefined;

  private constructor(
    readonly folder: string,
    readonly port: string,
    private readonly programs: Programs.Binaries,
    private readonly launcher: Launchers.Launcher,
  ) {}

  /** Makes an empty cluster with the two logins and the database of Gatehouse, not migrated. */
  static async make(): Promise<FaultPostgres> {
    const parent = await mkdtemp(join(tmpdir(), 'gatehouse-faults-'));
    const programs = await loadBinaries();
    const launcher = await findLauncher({ folder: parent, program: programs.postgres });
    const folder = join(parent, 'cluster');
    await ensureCluster({ directory: folder, password: PASSWORD, programs, launcher: async () => launcher });
    const postgres = new FaultPostgres(folder, await freePort(), programs, launcher);
    await postgres.start();
    for (const login of ['gatehouse_owner', 'gatehouse_app'])
      await postgres.superuser(`create role ${login} login password '${PASSWORD}'`);
    await postgres.superuser('create database gatehouse owner gatehouse_owner');
    return postgres;
  }

  /** Copies the files of this server, which must be stopped, to a new server. */
  async copy(): Promise<FaultPostgres> {
    const parent = await mkdtemp(join(tmpdir(), 'gatehouse-faults-'));
    const folder = join(parent, 'cluster');
    await cp(this.folder, folder, { recursive: true });
    return new FaultPostgres(folder, await freePort(), this.programs, this.launcher);
  }

  /**
   * Copies the files of a running server, between pg_backup_start and pg_backup_stop. Files may change and vanish
   * meanwhile.
   */
  async copyRunning(): Promise<FaultPostgres> {
    const parent = await mkdtemp(join(tmpdir(), 'gatehouse-faults-'));
    const folder = join(parent, 'cluster');
    spawnSync('cp', ['-a', this.folder, folder]);
    await rm(join(folder, 'postmaster.pid'), { force: true });
    return new FaultPostgres(folder, await freePort(), this.programs, this.launcher);
  }

  /**
   * Makes a standby that follows this server, which stops meanwhile. With `synchronous`, each commit waits for the
   * standby.
   */
  async follower({ synchronous }: { synchronous: boolean }): Promise<FaultPostgres> {
    await this.stop();
    const standby = await this.copy();
    await this.start();
    await writeFile(join(standby.folder, 'standby.signal'), '');
    const source = `host=127.0.0.1 port=${this.port} user=postgres password=${PASSWORD} application_name=standby`;
    await standby.configure({ primary_conninfo: source, recovery_target_timeline: 'latest' });
    await standby.start();
    if (synchronous) await this.superuser(`alter system set synchronous_standby_names = 'standby'`);
    await this.superuser('select pg_reload_conf()');
    const state = async () =>
      (await this.superuser<{ sync_state: string }>('select sync_state from pg_stat_replication'))[0]
        ?.sync_state;
    await eventually(state, (is) => is === (synchronous ? 'sync' : 'async'), { withinMilliseconds: 20_000 });
    return standby;
  }

  async configure(settings: Record<string, string>): Promise<void> {
    const file = join(this.folder, 'postgresql.auto.conf');
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
    await writeFile(file, (await readFile(file, 'utf8')) + lines.join(''));
  }

  async start(): Promise<void> {
    const settings = Object.entries({ ...SETTINGS, port: this.port });
    const flags = settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const [file = '', ...args] = [
      ...this.launcher.prefix,
      this.programs.postgres,
      '-D',
      this.folder,
      ...flags,
    ];
    const log = join(this.folder, '..', 'log');
    const written = openSync(log, 'a');
    const server = spawn(file, args, { ...this.launcher.spawn, stdio: ['ignore', written, written] });
    closeSync(written);
    this.#server = server;
    const answers = async () => {
      if (hasEnded(server)) throw new Error(`PostgreSQL ended: ${await readFile(log, 'utf8')}`);
      return this.superuser('select 1').then(Boolean, () => false);
    };
    await eventually(answers, Boolean, { withinMilliseconds: READY_WITHIN_MS });
  }

  /** @param mode SIGINT: a fast shutdown; SIGQUIT: an immediate one, after which the next start recovers */
  async stop(mode: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    const server = this.#server;
    if (!server || hasEnded(server)) return;
    const ended = once(server, 'exit');
    server.kill(mode);
    await ended;
    this.#server = undefined;
  }

  /** Kills every process of the server at once, like the out-of-memory killer or a machine failure. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (!server || hasEnded(server)) return;
    const ended = once(server, 'exit');
    await this.#signal('SIGKILL');
    await ended;
    this.#server = undefined;
  }

  freeze(): Promise<void> {
    return this.#signal('SIGSTOP');
  }

  thaw(): Promise<void> {
    return this.#signal('SIGCONT');
  }

  url(login: 'gatehouse_owner' | 'gatehouse_app' | 'postgres', database = 'gatehouse'): string {
    return `postgresql://${login}:${PASSWORD}@127.0.0.1:${this.port}/${database}`;
  }

  superuser<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return this.#query('postgres', 'postgres', text, values);
  }

  /** Runs a statement as the owner of the tables. */
  query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return this.#query('gatehouse_owner', 'gatehouse', text, values);
  }

  async remove(): Promise<void> {
    if (this.#server) await this.kill();
    await rm(join(this.folder, '..'), { recursive: true, force: true });
  }

  async #query<Row extends pg.QueryResultRow>(
    login: 'gatehouse_owner' | 'postgres',
    database: string,
    text: string,
    values: unknown[],
  ): Promise<Row[]> {
    const client = new pg.Client({
      connectionString: this.url(login, database),
      connectionTimeoutMillis: 5_000,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** Signals the server first, so that it starts no other process meanwhile, then its child processes. */
  async #signal(signal: NodeJS.Signals): Promise<void> {
    const parent = this.#server?.pid;
    if (parent === undefined) return;
    if (signal !== 'SIGCONT') process.kill(parent, signal);
    for (const pid of await childrenOf(parent)) {
      try {
        process.kill(pid, signal);
      } catch {
        // It ended by itself.
      }
    }
    if (signal === 'SIGCONT') process.kill(parent, signal);
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const parents = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      // proc(5): the parent is the field after the state. The name before them may contain spaces.
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    }),
  );
  return pids.filter((_, index) => parents[index] === parent);
}
