import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from './process.ts';
import { eventually } from './race.ts';

/** Whether this machine has PgBouncer. Tests that need it are skipped without it. */
export const hasPgBouncer: boolean = spawnSync('pgbouncer', ['--version']).status === 0;

/** A PgBouncer for one test file, with the configuration of Debian except for the settings here. */
export class TestPgBouncer {
  private constructor(
    private readonly folder: string,
    private readonly port: string,
    private readonly child: ChildProcess,
  ) {}

  /** @param urls logins of the one server behind it */
  static async start(mode: 'session' | 'transaction', urls: readonly string[]): Promise<TestPgBouncer> {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-pgbouncer-'));
    const port = await freePort();
    const logins = urls.map((url) => new URL(url));
    const [server] = logins;
    const users = logins.map(({ username, password }) => `"${username}" "${decodeURIComponent(password)}"\n`);
    await writeFile(join(folder, 'users'), users.join(''));
    await writeFile(
      join(folder, 'pgbouncer.ini'),
      [
        '[databases]',
        `* = host=${server?.hostname} port=${server?.port}`,
        '[pgbouncer]',
        `listen_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =`,
        `auth_type = plain\nauth_file = ${join(folder, 'users')}`,
        `pool_mode = ${mode}\ndefault_pool_size = 40\nmax_client_conn = 200`,
        '',
      ].join('\n'),
    );
    await chmod(folder, 0o755);
    // PgBouncer refuses to run as root.
    const user = process.getuid?.() === 0 ? ['--user', 'nobody'] : [];
    const child = spawn('pgbouncer', [...user, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' });
    const bouncer = new TestPgBouncer(folder, port, child);
    await eventually(() => bouncer.answers(urls[0] ?? ''), Boolean, { withinMilliseconds: 10_000 });
    return bouncer;
  }

  /** The same login and database, through the pooler. */
  urlOf(url: string): string {
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = this.port;
    return through.href;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }

  private async answers(url: string): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.urlOf(url) });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('select 1');
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => {});
    }
  }
}
