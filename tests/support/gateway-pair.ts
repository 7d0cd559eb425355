import type { Environment } from '../../src/platform/settings.ts';
import { Client } from './client.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { newSecrets } from './gateway.ts';
import { freePort, GatehouseProcess } from './process.ts';
import { eventually } from './race.ts';
import { TestRedis } from './redis.ts';
import { probePostgres, probeRedis, type SessionProbe } from './session-probe.ts';
import type { StoreName } from './session-stores.ts';

/** Two gateways in separate processes, on one database and one session store. */
export class GatewayPair {
  private readonly processes: GatehouseProcess[] = [];

  private constructor(
    readonly database: TestDatabase,
    readonly redis: TestRedis | undefined,
    readonly sessions: SessionProbe,
    private readonly environments: ReadonlyArray<Environment & { PORT: string }>,
    readonly clients: readonly [Client, Client],
  ) {}

  static async startOn(store: StoreName, settings: Environment = {}): Promise<GatewayPair> {
    const database = await createTestDatabase();
    const redis = store === 'redis' ? await TestRedis.start() : undefined;
    const shared = {
      NODE_ENV: 'test',
      PUBLIC_URL: 'http://localhost:4000',
      DATABASE_URL: database.servingUrl,
      DATABASE_MIGRATION_URL: database.ownerUrl,
      PASSWORD_BCRYPT_COST: '4',
      RATE_LIMIT: 'off',
      LOG_LEVEL: 'trace',
      SESSION_STORE: store,
      ...(redis && { REDIS_URL: redis.url }),
      ...newSecrets(),
      ...settings,
    };
    const [one, two] = [await freePort(), await freePort()];
    const pair = new GatewayPair(
      database,
      redis,
      redis ? probeRedis(redis.url) : probePostgres(database),
      [
        { ...shared, PORT: one },
        { ...shared, PORT: two },
      ],
      [new Client(`http://127.0.0.1:${one}`), new Client(`http://127.0.0.1:${two}`)],
    );
    try {
      // One after the other, because the first makes the signing key.
      await pair.start(0);
      await pair.start(1);
      return pair;
    } catch (error) {
      await pair.close();
      throw error;
    }
  }

  /** The newest mail to an address, once it has a link to the page. */
  async mailTo(email: string, page: string): Promise<string> {
    const find = async () => {
      const response = await fetch(`${this.clients[0].url}/dev/mailbox`, {
        headers: { accept: 'application/json' },
      });
      const mails = (await response.json()) as Array<{ to: string; text: string }>;
      return mails.find(({ to, text }) => to === email && text.includes(`/${page}#`))?.text;
    };
    return (await eventually(find, (text) => text !== undefined)) ?? '';
  }

  async start(index: 0 | 1): Promise<void> {
    this.processes[index] = await GatehouseProcess.start(this.environments[index] as { PORT: string });
  }

  /** Stops the process, like a paused container, until `goOn`. */
  stall(index: 0 | 1): void {
    this.processes[index]?.kill('SIGSTOP');
  }

  goOn(index: 0 | 1): void {
    this.processes[index]?.kill('SIGCONT');
  }

  /** Kills the process, so that nothing is finished. */
  async kill(index: 0 | 1): Promise<void> {
    this.processes[index]?.kill('SIGKILL');
    await this.processes[index]?.ended;
  }

  /** @throws when one of them logged a secret. */
  async close(): Promise<void> {
    try {
      await GatehouseProcess.killAll();
    } finally {
      await this.redis?.close();
      await this.database.drop();
    }
  }
}
