import { createClient, ErrorReply } from 'redis';
import { RedisAway } from './redis-away.ts';

/** Milliseconds for the answer to a command: a request waits for Redis once at most, then the connection is gone. */
const ANSWER_DEADLINE = 500;
/** Milliseconds for a TCP or TLS connection; shorter than the next one, so that no socket outlives its attempt. */
const SOCKET_DEADLINE = 1_000;
/** Milliseconds for a usable connection: a frozen server accepts one and then says nothing. */
const CONNECT_DEADLINE = 1_500;
/** Milliseconds between two attempts to connect again, doubled up to the longest; attempts never end. */
const SHORTEST_DELAY = 250;
const LONGEST_DELAY = 2_000;
/** Milliseconds between two questions that tell whether an idle connection still lives. */
const HEARTBEAT = 5_000;

/** node-redis without modules, functions and scripts of its own. */
export type RedisClient = ReturnType<typeof openClient>;

export interface RedisConnectionOptions {
  readonly url: string;
  /** What the connection is for, in the log and in CLIENT LIST. */
  readonly purpose: 'commands' | 'events';
  /** Called once for each change between up and away, with the reason for the latter. */
  readonly log: (message: string, error?: unknown) => void;
}

/**
 * A connection that is up or away and never in between: while it is away a command is refused at once, and one that
 * is not answered in time makes it away. node-redis would queue commands for a server that is away, and wait for ever
 * for the answer of one that is frozen (its own `timeout` ends when the command was written), so it is only used for
 * single connections here: each attempt is a new client.
 */
export class RedisConnection {
  private readonly preparations: Array<(client: RedisClient) => Promise<void>> = [];
  private readonly listeners: Array<() => void> = [];
  /** The client of the current attempt or connection. */
  private client: RedisClient | undefined;
  /** Unknown before the first attempt has ended. */
  private state: 'up' | 'away' | undefined;
  private delay = SHORTEST_DELAY;
  private reconnect: NodeJS.Timeout | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: RedisConnectionOptions) {}

  /** `prepare` runs on every new connection before it counts as up. */
  onConnect(prepare: (client: RedisClient) => Promise<void>): void {
    this.preparations.push(prepare);
  }

  /** `listener` runs whenever the connection has come up, the first time too. */
  onUp(listener: () => void): void {
    this.listeners.push(listener);
  }

  isUp(): boolean {
    return this.state === 'up';
  }

  /** Resolves when the first attempt has ended, well or not: a gateway starts without Redis too. */
  async start(): Promise<void> {
    if (this.closed) return;
    const client = openClient(this.options);
    this.client = client;
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client));
    try {
      await within(CONNECT_DEADLINE, this.prepared(client));
      if (this.client === client) this.up(client);
    } catch (error) {
      this.lost(client, error);
    }
  }

  /**
   * Runs commands on the connection, all of them within one deadline.
   * @throws {RedisAway} when the connection is away, was lost before the answer, or Redis refused the command.
   */
  async run<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    const { client } = this;
    if (!client || this.state !== 'up') throw new RedisAway();
    try {
      return await within(ANSWER_DEADLINE, work(client));
    } catch (cause) {
      // A refusal (out of memory, no right, a replica) is an answer: the connection is good.
      if (!(cause instanceof ErrorReply)) this.lost(client, cause);
      throw new RedisAway(cause);
    }
  }

  /** @throws {RedisAway} when Redis does not answer. */
  async ping(): Promise<void> {
    await this.run((client) => client.ping());
  }

  /** Cuts the connection: a farewell would wait for the server, which for a frozen one is for ever. */
  close(): void {
    this.closed = true;
    this.state = 'away';
    clearTimeout(this.reconnect);
    clearInterval(this.heartbeat);
    const { client } = this;
    this.client = undefined;
    client?.destroy();
  }

  private async prepared(client: RedisClient): Promise<void> {
    await client.connect();
    // While the attempt was under way it was given up: node-redis cannot cut a socket that is still connecting.
    if (this.client !== client) return client.destroy();
    // A server that still loads its data accepts connections and refuses this.
    await client.ping();
    for (const prepare of this.preparations) await prepare(client);
  }

  private up(client: RedisClient): void {
    this.delay = SHORTEST_DELAY;
    this.heartbeat = setInterval(() => void this.ping().catch(() => {}), HEARTBEAT);
    const wasAway = this.state === 'away';
    this.state = 'up';
    if (wasAway) this.options.log(`Redis is back (${this.options.purpose})`);
    for (const listener of this.listeners) if (this.client === client) listener();
  }

  private lost(client: RedisClient, error?: unknown): void {
    if (this.client !== client) return;
    this.client = undefined;
    clearInterval(this.heartbeat);
    const wasAway = this.state === 'away';
    this.state = 'away';
    client.destroy();
    if (!wasAway) this.options.log(`Redis is away (${this.options.purpose})`, error);
    this.reconnect = setTimeout(() => void this.start(), this.delay);
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY);
  }
}

function openClient({ url, purpose }: Pick<RedisConnectionOptions, 'url' | 'purpose'>) {
  return createClient({
    url,
    name: `gatehouse-${purpose}`,
    disableOfflineQueue: true,
    // A notice of Redis Enterprise that stretches deadlines to 10 s.
    maintNotifications: 'disabled',
    socket: { connectTimeout: SOCKET_DEADLINE, reconnectStrategy: false },
  });
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
