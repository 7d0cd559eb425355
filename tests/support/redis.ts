import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { freePort } from './process.ts';
import { eventually } from './race.ts';

/**
 * Whether this machine has redis-server. Tests that need it are skipped without it, and the global set-up
 * says so.
 */
export const hasRedis: boolean = process.env.TEST_REDIS === 'yes';

/** Sends commands to Redis on a connection of the test. */
export async function redisCommand(url: string, ...args: string[]): Promise<unknown> {
  const client = createClient({ url, RESP: 2, socket: { reconnectStrategy: false } });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

/** A redis-server for one test file, which can be frozen, killed and restarted on the same port. */
export class TestRedis {
  private constructor(
    private readonly folder: string,
    readonly port: string,
    private readonly args: readonly string[],
    private child: ChildProcess,
  ) {}

  /**
   * @param args more arguments of redis-server
   * @param configuration of a server that needs a writable file, such as a Sentinel
   */
  static async start(args: readonly string[] = [], configuration?: string): Promise<TestRedis> {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-redis-'));
    const port = await freePort();
    const file = join(folder, 'redis.conf');
    if (configuration !== undefined) await writeFile(file, configuration);
    const all = [
      ...(configuration === undefined ? ['--save', ''] : [file]),
      ...['--port', port, '--bind', '127.0.0.1', '--dir', folder],
      ...args,
    ];
    const redis = new TestRedis(folder, port, all, launch(all));
    try {
      await redis.answers();
    } catch (error) {
      await redis.close();
      throw error;
    }
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  command(...args: string[]): Promise<unknown> {
    return redisCommand(this.url, ...args);
  }

  /** Accepts connections and does not answer, like a machine that swaps or a network that drops packets. */
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

  /** Starts empty, on the same port. */
  async restart(): Promise<void> {
    await this.kill();
    this.child = launch(this.args);
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

const launch = (args: readonly string[]): ChildProcess => spawn('redis-server', args, { stdio: 'ignore' });

/** A primary, its replica, and a Sentinel that promotes the replica within about two seconds. */
export class TestSentinel {
  private constructor(
    readonly primary: TestRedis,
    readonly replica: TestRedis,
    readonly sentinel: TestRedis,
  ) {}

  static async start(): Promise<TestSentinel> {
    const primary = await TestRedis.start(['--repl-diskless-sync-delay', '0']);
    const replica = await TestRedis.start(['--replicaof', '127.0.0.1', primary.port]);
    await eventually(
      async () => String(await replica.command('INFO', 'replication')),
      (info) => info.includes('master_link_status:up'),
      { withinMilliseconds: 10_000 },
    );
    const sentinel = await TestRedis.start(
      ['--sentinel'],
      `sentinel monitor main 127.0.0.1 ${primary.port} 1
       sentinel down-after-milliseconds main 500
       sentinel failover-timeout main 2000\n`,
    );
    // Until it knows the replica, a failover is impossible.
    await eventually(
      async () => JSON.stringify(await sentinel.command('SENTINEL', 'REPLICAS', 'main')),
      (replicas) => replicas.includes('"master-link-status","ok"'),
      { withinMilliseconds: 20_000 },
    );
    return new TestSentinel(primary, replica, sentinel);
  }

  /** A URL with an unreachable Sentinel besides the running one. */
  get url(): string {
    return `redis+sentinel://127.0.0.1:1,127.0.0.1:${this.sentinel.port}/main`;
  }

  async close(): Promise<void> {
    await Promise.all([this.sentinel, this.replica, this.primary].map((server) => server.close()));
  }
}

/** Three primaries with a third of the slots each, without replicas. */
export class TestCluster {
  private constructor(readonly nodes: readonly TestRedis[]) {}

  static async start(): Promise<TestCluster> {
    const slots = [
      [0, 5460],
      [5461, 10_922],
      [10_923, 16_383],
    ] as const;
    const nodes: TestRedis[] = [];
    for (const [first, last] of slots) {
      const busPort = await freePort();
      const node = await TestRedis.start([
        ...['--cluster-enabled', 'yes', '--cluster-port', busPort],
        ...['--cluster-config-file', 'nodes.conf', '--cluster-node-timeout', '1000'],
      ]);
      await node.command('CLUSTER', 'ADDSLOTSRANGE', String(first), String(last));
      await nodes[0]?.command('CLUSTER', 'MEET', '127.0.0.1', node.port, busPort);
      nodes.push(node);
    }
    const cluster = new TestCluster(nodes);
    await cluster.isWhole();
    return cluster;
  }

  /** The URL leaves the first node out, which is found through the others. */
  get url(): string {
    return `redis+cluster://${this.nodes
      .slice(1)
      .map(({ port }) => `127.0.0.1:${port}`)
      .join()}`;
  }

  /** Every node must report that all slots are served. */
  async isWhole(): Promise<void> {
    const infos = () => Promise.all(this.nodes.map((node) => node.command('CLUSTER', 'INFO')));
    const isOk = (info: unknown) =>
      String(info).includes('cluster_state:ok') && String(info).includes('cluster_known_nodes:3');
    await eventually(infos, (all) => all.every(isOk), { withinMilliseconds: 20_000 });
  }

  /** Sends a command to every node. */
  command(...args: string[]): Promise<unknown[]> {
    return Promise.all(this.nodes.map((node) => node.command(...args)));
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }
}
