import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { freePort } from './process.ts';
import { eventually } from './race.ts';

/** Whether this machine has the server. Without it the tests that need one are skipped; the global set-up says so. */
export const hasRedis: boolean = process.env.TEST_REDIS === 'yes';

/** A redis-server of this test file's own, which it may freeze, kill and start again on the same port. */
export class TestRedis {
  private constructor(
    private readonly folder: string,
    readonly port: string,
    private child: ChildProcess,
  ) {}

  static async start(): Promise<TestRedis> {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-redis-'));
    const port = await freePort();
    const redis = new TestRedis(folder, port, launch(folder, port));
    await redis.answers();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Asks as somebody else than the gateway. */
  async command(...args: string[]): Promise<unknown> {
    const client = createClient({ url: this.url, socket: { reconnectStrategy: false } });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.sendCommand(args);
    } finally {
      client.destroy();
    }
  }

  /** Accepts connections and answers nothing, as a machine that swaps or a network that lost its way. */
  freeze(): void {
    this.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }

  /** Empty, on the same port. */
  async restart(): Promise<void> {
    await this.kill();
    this.child = launch(this.folder, this.port);
    await this.answers();
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async answers(): Promise<void> {
    const ping = () => this.command('PING').catch((error: unknown) => String(error));
    await eventually(ping, (answer) => answer === 'PONG');
  }
}

const launch = (folder: string, port: string): ChildProcess =>
  spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', ''], {
    stdio: 'ignore',
  });
