import type { EntityManager } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { databaseClient, destroyClient, poolingOf, sql, statement, withDeadline } from '../database/index.ts';
import { CHANNEL, type EventFeed, type Topic } from './event-feed.ts';

/** Milliseconds between two attempts to reconnect. */
const RECONNECT_DELAY = 250;
/** Milliseconds between two checks that the connection is alive, and for each answer. */
const HEARTBEAT = 5_000;
const HEARTBEAT_DEADLINE = 3_000;

/** Wakes by LISTEN and NOTIFY on a connection of its own: a pooled connection would forget its subscription. */
export class PostgresEventFeed implements EventFeed {
  private readonly listeners = new Map<Topic, Array<() => void>>();
  private client: pg.Client | undefined;
  private reconnect: NodeJS.Timeout | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private closed = false;
  /** So that an outage of the database is one line in the log, instead of four a second. */
  private isAway = false;
  private wasUp = false;

  constructor(
    private readonly url: string,
    private readonly log: (message: string, error?: unknown) => void,
  ) {}

  /** PostgreSQL sends a NOTIFY when its transaction commits. */
  async announce(em: EntityManager, topic: Topic): Promise<void> {
    await statement(em, sql`select pg_notify(${CHANNEL}, ${topic})`);
  }

  subscribe(topic: Topic, listener: () => void): void {
    this.listeners.set(topic, [...(this.listeners.get(topic) ?? []), listener]);
  }

  /** Starts to listen. Retries while the database is away. */
  async start(): Promise<void> {
    if (this.closed) return;
    const client = withDeadline(
      databaseClient(this.url, {
        application_name: 'gatehouse feed',
        connectionTimeoutMillis: 3_000,
      }),
      HEARTBEAT_DEADLINE,
    );
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client));
    client.on('notification', ({ payload }) => this.wake(payload as Topic));
    this.client = client;
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      if (this.client !== client) return;
      if (this.isAway) this.log('the connection that listens for events is back');
      this.isAway = false;
      this.heartbeat = setInterval(() => void client.query('select 1').catch(() => {}), HEARTBEAT);
      for (const topic of this.listeners.keys()) this.wake(topic);
      if (!this.wasUp) await this.warnOfPooler().catch(() => {});
      this.wasUp = true;
    } catch (error) {
      this.lost(client, error);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.reconnect);
    clearInterval(this.heartbeat);
    const { client } = this;
    this.client = undefined;
    if (client) destroyClient(client);
  }

  /** Warns of a pooler in transaction mode: it silently drops the subscription of this connection. */
  private async warnOfPooler(): Promise<void> {
    if ((await poolingOf(this.url)) !== 'transaction') return;
    this.log(
      'events of the database do not arrive, because a connection pooler in transaction mode stands before it. ' +
        'Each process polls every half second instead. Set REDIS_URL, or use a pooler in session mode.',
    );
  }

  private wake(topic: Topic): void {
    for (const listener of this.listeners.get(topic) ?? []) listener();
  }

  private lost(client: pg.Client, error?: unknown): void {
    if (this.client !== client) return;
    this.client = undefined;
    clearInterval(this.heartbeat);
    if (this.closed) return;
    if (!this.isAway) this.log('the connection that listens for events was lost', error);
    this.isAway = true;
    destroyClient(client);
    this.reconnect = setTimeout(() => void this.start(), RECONNECT_DELAY);
  }
}
