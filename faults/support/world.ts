import { randomBytes } from 'node:crypto';
import type { Environment } from '../../src/platform/settings.ts';
import { GatehouseProcess } from '../../tests/support/process.ts';
import { TestRedis } from '../../tests/support/redis.ts';
import type { StoreName } from '../../tests/support/session-stores.ts';
import { Sender } from './ask.ts';
import { Gateway } from './gateway.ts';
import { Person } from './person.ts';
import { FaultPostgres } from './postgres.ts';
import { Tally } from './tally.ts';

/** A migrated, stopped cluster that each fault copies. Made once for a run. */
let template: Promise<FaultPostgres> | undefined;

async function makeTemplate(): Promise<FaultPostgres> {
  const postgres = await FaultPostgres.make();
  const migration = GatehouseProcess.run(['migrate', 'up'], environmentOf(postgres));
  if ((await migration.ended) !== 0) throw new Error(`the migration failed: ${migration.errors}`);
  await postgres.stop();
  return postgres;
}

const key = () => randomBytes(32).toString('base64');
/** The same for all gateways of a run, since their databases are copies of one. */
const secrets = { TOKEN_KEY: key(), ENCRYPTION_KEY: key(), PASSWORD_PEPPER: key() };

const environmentOf = (postgres: FaultPostgres): Environment => ({
  NODE_ENV: 'test',
  PUBLIC_URL: 'http://localhost:4000',
  DATABASE_URL: postgres.url('gatehouse_app'),
  DATABASE_MIGRATION_URL: postgres.url('gatehouse_owner'),
  PASSWORD_BCRYPT_COST: '4',
  RATE_LIMIT: 'off',
  LOG_LEVEL: 'warn',
  ...(process.env.WORKERS !== undefined && { WORKERS: process.env.WORKERS }),
  ...secrets,
});

export interface WorldOptions {
  readonly store: StoreName;
  /** Number of gateway processes; two by default. */
  readonly gateways?: number;
  /** Additional arguments of the redis-server. */
  readonly redisArguments?: readonly string[];
  /** Starts a Redis of another kind than a single server. */
  readonly redis?: () => Promise<{ url: string; close: () => Promise<void> }>;
  /** Settings that differ between the gateways. Called once the database runs. */
  readonly settings?: (world: World, index: number) => Environment | Promise<Environment>;
  /** The destination of each gateway's log. */
  readonly log?: (index: number) => 'read' | 'unread' | number;
}

/** The database, session store, gateways and counting clients of one fault. */
export class World {
  private static readonly open = new Set<World>();
  readonly gateways: Gateway[] = [];
  readonly tally = new Tally();
  readonly people: Person[] = [];
  /** Accounts that were only registered. */
  readonly strangers: Person[] = [];
  /** Cleanup steps at the end, in reverse order. */
  readonly closing: Array<() => Promise<unknown>> = [];
  #sender: Sender | undefined;

  private constructor(
    readonly store: StoreName,
    /** Replaced after a failover. */
    public postgres: FaultPostgres,
    readonly redisUrl: string | undefined,
    readonly redis: TestRedis | undefined,
  ) {}

  static async start(options: WorldOptions): Promise<World> {
    template ??= makeTemplate();
    const postgres = await (await template).copy();
    await postgres.start();
    const own =
      options.store === 'redis' && !options.redis ? await TestRedis.start(options.redisArguments) : undefined;
    const other = await options.redis?.();
    const world = new World(options.store, postgres, own?.url ?? other?.url, own);
    World.open.add(world);
    world.closing.push(async () => postgres.remove());
    if (own) world.closing.push(() => own.close());
    if (other) world.closing.push(() => other.close());
    try {
      await world.#startGateways(options);
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  /**
   * Closes the worlds of faults that hung.
   * @returns their state.
   */
  static async closeOpen(): Promise<string[]> {
    const stories: string[] = [];
    for (const world of World.open) {
      const ready = await Promise.all(world.gateways.map((gateway) => gateway.isReady()));
      stories.push(`${JSON.stringify(world.tally)}; ready: ${ready}`);
      stories.push(...world.gateways.map(({ lastWords }) => lastWords));
      await world.close();
    }
    return stories;
  }

  /** Closes everything at the end of a run, even of an interrupted one. */
  static async closeAll(): Promise<void> {
    await World.closeOpen();
    await (await template)?.remove();
  }

  get sender(): Sender {
    this.#sender ??= new Sender(
      this.gateways.map(({ url }) => url),
      this.tally,
    );
    return this.#sender;
  }

  /** Sends through other URLs, such as a proxy in front of the gateways. */
  sendTo(urls: readonly string[]): void {
    this.#sender = new Sender(urls, this.tally);
  }

  async invite(count: number): Promise<void> {
    for (let index = 0; index < count; index++)
      this.people.push(await Person.arrive(`person-${index}`, this.sender));
  }

  /** The settings for a gateway or a command on that database. */
  environment(postgres: FaultPostgres): Environment {
    return environmentOf(postgres);
  }

  /** Counts the audit events with that action. */
  async audited(action: string): Promise<number> {
    const [row] = await this.postgres.query<{ count: number }>(
      'select count(*)::int as count from audit_event where action = $1',
      [action],
    );
    return row?.count ?? 0;
  }

  /** @throws when a gateway logged a secret. */
  async close(): Promise<void> {
    if (!World.open.delete(this)) return;
    try {
      if (this.tally.wrong.size > 0) this.tally.notes.push(...this.gateways.flatMap(({ errors }) => errors));
      for (const gateway of this.gateways) gateway.thaw();
      await GatehouseProcess.killAll();
    } finally {
      for (const close of this.closing.reverse()) await close();
    }
  }

  async #startGateways({ gateways = 2, settings, log }: WorldOptions): Promise<void> {
    for (let index = 0; index < gateways; index++) {
      const gateway = await Gateway.of(
        {
          ...environmentOf(this.postgres),
          SESSION_STORE: this.store,
          ...(this.redisUrl !== undefined && { REDIS_URL: this.redisUrl }),
          ...(await settings?.(this, index)),
        },
        log?.(index),
      );
      this.gateways.push(gateway);
      // One after the other, since the first one makes the signing key.
      await gateway.start();
    }
  }
}
