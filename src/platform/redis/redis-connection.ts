import { withTimeout } from '../with-timeout.ts';
import { redactRedisError } from './redact-redis-error.ts';
import { type RedisAddress, redisAddress } from './redis-address.ts';
import { RedisAway } from './redis-away.ts';
import type { KnownPrimary, Purpose, RedisClient, RedisLink } from './redis-link.ts';
import { RedisScript } from './redis-script.ts';

/** Milliseconds for the answer to a command: a request waits for Redis once at most, then the connection is gone. */
const ANSWER_DEADLINE = 500;
/** Milliseconds for a usable connection: a frozen server accepts one and then says nothing. */
const CONNECT_DEADLINE = 1_500;
/** Milliseconds between two attempts to connect again, doubled up to the longest; attempts never end. */
const SHORTEST_DELAY = 250;
const LONGEST_DELAY = 2_000;
/**
 * Milliseconds between two questions that tell whether an idle connection still lives, whether it is still the right
 * one, and what time it is there.
 */
const HEARTBEAT = 5_000;
/**
 * Refusals after which another attempt may lead to a server that does not refuse: after a failover, that is. TOOLATE
 * where somebody still waits says that the clock there is not the one that was asked: the next connection asks anew.
 */
const WRONG_PLACE = /\b(READONLY|CLUSTERDOWN|MASTERDOWN|TOOLATE)\b/;

/** Writes, as the work does, with commands that the work needs too. The key is gone after a second. */
const PROBE = new RedisScript(`
redis.call('HSET', KEYS[1], 'probe', '')
return redis.call('PEXPIRE', KEYS[1], 1000)`);

export interface RedisConnectionOptions {
  /** As in REDIS_URL. */
  readonly url: string;
  /** What the connection is for, also in the log and in CLIENT LIST. One for events only listens. */
  readonly purpose: Purpose;
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
  private readonly address: RedisAddress;
  private readonly primary: KnownPrimary = {};
  private readonly channels = new Map<string, (message: string) => void>();
  private readonly listeners: Array<() => void> = [];
  /** The current attempt or connection. */
  private link: RedisLink | undefined;
  /** Unknown before the first attempt has ended. */
  private state: 'up' | 'away' | undefined;
  /**
   * Milliseconds that the clock of Redis is ahead of performance.now(), or more by the time of one answer: nobody who still
   * waits is refused.
   */
  private clockOffset = 0;
  private delay = SHORTEST_DELAY;
  private reconnect: NodeJS.Timeout | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(private readonly options: RedisConnectionOptions) {
    this.address = redisAddress(options.url);
  }

  /** Listens on every new connection before that counts as up. */
  subscribe(channel: string, listener: (message: string) => void): void {
    this.channels.set(channel, listener);
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
   * Runs commands on the connection, all of them within one deadline. A server that stalled does later what lies there,
   * although nobody waits any more: what must not happen then looks at `latest`, the deadline by the clock of Redis, and
   * answers TOOLATE.
   * @throws {RedisAway} when the connection is away, was lost before the answer, or Redis refused the command.
   */
  async run<T>(work: (client: RedisClient, latest: number) => Promise<T>): Promise<T> {
    const { link } = this;
    if (!link || this.state !== 'up') throw new RedisAway();
    try {
      const latest = Math.floor(performance.now() + ANSWER_DEADLINE + this.clockOffset);
      return await withTimeout(ANSWER_DEADLINE, work(link.client, latest));
    } catch (cause) {
      // A refusal (out of memory, no right) is an answer: the connection is good.
      const refusal = link.refusal(cause);
      if (refusal === undefined || WRONG_PLACE.test(refusal)) this.lost(link, cause);
      throw new RedisAway(redactRedisError(cause));
    }
  }

  /** @throws {RedisAway} when Redis does not answer, or takes no writes, such as a full one that may evict nothing. */
  async probe(): Promise<void> {
    await this.run((client) => PROBE.run(client, ['gatehouse:probe'], []));
  }

  /** Cuts the connection: a farewell would wait for the server, which for a frozen one is for ever. */
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

  /** A connection that listens gives no orders, and may answer nothing but a ping. */
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
