import { single } from '../telemetry/index.ts';
import { withTimeout } from '../with-timeout.ts';
import { redisUp } from './metrics.ts';
import { redactRedisError } from './redact-redis-error.ts';
import { type RedisAddress, redisAddress } from './redis-address.ts';
import { RedisAway } from './redis-away.ts';
import type { KnownPrimary, Purpose, RedisClient, RedisLink } from './redis-link.ts';
import { RedisScript } from './redis-script.ts';

/**
 * Milliseconds for the answer to a command. After that the connection is lost, so a request waits for Redis once at
 * most.
 */
const ANSWER_DEADLINE = 500;
/** Milliseconds for a usable connection. A frozen server accepts a connection and then does not answer. */
const CONNECT_DEADLINE = 1_500;
/** Milliseconds between two attempts to reconnect, doubled up to the longest. The attempts never end. */
const SHORTEST_DELAY = 250;
const LONGEST_DELAY = 2_000;
/**
 * Milliseconds between two checks of an idle connection: whether it is alive and leads to the right server, and the
 * time of that server.
 */
const HEARTBEAT = 5_000;
/**
 * Error replies after which a new connection may lead to a better server, for example after a failover. TOOLATE before
 * the deadline means that the clock of Redis has changed; the next connection asks for its time again.
 */
const WRONG_PLACE = /\b(READONLY|CLUSTERDOWN|MASTERDOWN|TOOLATE)\b/;

/** Writes like real work, with commands that real work also needs. The key expires after a second. */
const PROBE = new RedisScript(`
redis.call('HSET', KEYS[1], 'probe', '')
return redis.call('PEXPIRE', KEYS[1], 1000)`);

export interface RedisConnectionOptions {
  /** The form of REDIS_URL. */
  readonly url: string;
  /**
   * Use of the connection, also named in the log and in CLIENT LIST. A connection for events listens and sends no
   * commands.
   */
  readonly purpose: Purpose;
  /** Called once for each change between up and away, with the reason when it is away. */
  readonly log: (message: string, error?: unknown) => void;
}

/**
 * A connection that is either up or away. A command without an answer in time makes it away. While it is away,
 * commands are refused at once. The client of node-redis would queue commands while a server is away. It would wait
 * for a frozen server for ever, because its own `timeout` ends when the command was written. So each attempt here is
 * a new client of node-redis, for a single connection.
 */
export class RedisConnection {
  private readonly address: RedisAddress;
  private readonly primary: KnownPrimary = {};
  private readonly channels = new Map<string, (message: string) => void>();
  private readonly listeners: Array<() => void> = [];
  /** The current attempt or connection. */
  private link: RedisLink | undefined;
  /** Undefined until the first attempt has ended. */
  private state: 'up' | 'away' | undefined;
  /**
   * Milliseconds by which the clock of Redis is ahead of performance.now(). It may be too high by the time of one
   * answer, so that a script whose caller still waits is never refused.
   */
  private clockOffset = 0;
  private delay = SHORTEST_DELAY;
  private reconnect: NodeJS.Timeout | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: RedisConnectionOptions) {
    this.address = redisAddress(options.url);
    if (options.purpose === 'commands') redisUp.readBy(() => single(this.isUp() ? 1 : 0));
  }

  /** Subscribes on every new connection before it counts as up. */
  subscribe(channel: string, listener: (message: string) => void): void {
    this.channels.set(channel, listener);
  }

  /** Runs `listener` whenever the connection has come up, including the first time. */
  onUp(listener: () => void): void {
    this.listeners.push(listener);
  }

  isUp(): boolean {
    return this.state === 'up';
  }

  /** Resolves when the first attempt has succeeded or failed: a gateway also starts without Redis. */
  async start(): Promise<void> {
    // Loaded here: node-redis is a fifth of the modules of the gateway, and most gateways run without Redis.
    const { openLink } = await import('./redis-link.ts');
    if (this.closed) return;
    const link = openLink(this.address, this.options.purpose, this.primary, (error) =>
      this.lost(link, error),
    );
    this.link = link;
    try {
      await withTimeout(CONNECT_DEADLINE, this.prepared(link));
      if (this.link === link) this.up(link);
    } catch (error) {
      this.lost(link, error);
    }
  }

  /**
   * Runs commands on the connection, all within one deadline. A stalled server executes waiting commands later, when
   * their caller has given up. A script that must not run late compares its clock with `latest`, the deadline by the
   * clock of Redis, and answers TOOLATE.
   * @throws {RedisAway} when the connection is away, was lost before the answer, or Redis refused the command.
   */
  run<T>(work: (client: RedisClient, latest: number) => Promise<T>): Promise<T> {
    return this.onLink((link, latest) => work(link.client, latest));
  }

  /**
   * Sends a command to the server, or to each primary of a cluster.
   * @throws {RedisAway} as `run` does.
   */
  ask(...command: readonly string[]): Promise<unknown[]> {
    return this.onLink((link) => link.ask(command));
  }

  /** Milliseconds since 1970 by the clock of Redis. @throws {RedisAway} as `run` does. */
  time(): Promise<number> {
    return this.onLink((link) => link.time());
  }

  private async onLink<T>(work: (link: RedisLink, latest: number) => Promise<T>): Promise<T> {
    const { link } = this;
    if (!link || this.state !== 'up') throw new RedisAway();
    try {
      const latest = Math.floor(performance.now() + ANSWER_DEADLINE + this.clockOffset);
      return await withTimeout(ANSWER_DEADLINE, work(link, latest));
    } catch (cause) {
      // A refusal (out of memory, missing right) is an answer, so the connection is good.
      const refusal = link.refusal(cause);
      if (refusal === undefined || WRONG_PLACE.test(refusal)) this.lost(link, cause);
      throw new RedisAway(redactRedisError(cause));
    }
  }

  /** @throws {RedisAway} when Redis does not answer or accepts no writes, such as a full server that may not evict. */
  async probe(): Promise<void> {
    await this.run((client) => PROBE.run(client, ['gatehouse:probe'], []));
  }

  /** Cuts the connection. A graceful close would wait for the server, for ever if it is frozen. */
  close(): void {
    this.closed = true;
    this.state = 'away';
    clearTimeout(this.reconnect);
    clearInterval(this.heartbeat);
    const { link } = this;
    this.link = undefined;
    link?.cut();
  }

  private async prepared(link: RedisLink): Promise<void> {
    await link.connect();
    if (this.link !== link) return;
    await this.askTime(link);
    for (const [channel, listener] of this.channels) await link.subscribe(channel, listener);
  }

  /** A connection that listens sends no commands, and may only send pings. */
  private async askTime(link: RedisLink): Promise<void> {
    if (this.options.purpose === 'events') return;
    const askedAt = performance.now();
    const time = await link.time();
    if (this.link === link) this.clockOffset = time - askedAt;
  }

  private up(link: RedisLink): void {
    this.delay = SHORTEST_DELAY;
    this.heartbeat = setInterval(() => {
      this.run((client) => Promise.all([client.ping(), this.askTime(link)])).catch(() => {});
      void link.review();
    }, HEARTBEAT);
    const wasAway = this.state === 'away';
    this.state = 'up';
    if (wasAway) this.options.log(`Redis is back (${this.options.purpose})`);
    for (const listener of this.listeners) if (this.link === link) listener();
  }

  private lost(link: RedisLink, error?: unknown): void {
    if (this.link !== link) return;
    this.link = undefined;
    clearInterval(this.heartbeat);
    const wasAway = this.state === 'away';
    this.state = 'away';
    link.cut();
    if (!wasAway) this.options.log(`Redis is away (${this.options.purpose})`, redactRedisError(error));
    this.reconnect = setTimeout(() => void this.start(), this.delay);
    this.delay = Math.min(this.delay * 2, LONGEST_DELAY);
  }
}
