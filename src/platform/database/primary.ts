import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { destroyClient } from './connection-care.ts';
import { type DatabaseServer, serversOf } from './database-url.ts';
import { connectionRefusal, NoPrimary } from './failures.ts';

/** Milliseconds in which a server must say whether it is the primary, and before it is asked again. */
const ANSWER_WITHIN = 2_000;
const ASK_AGAIN_AFTER = 250;
/** Milliseconds of a search. Shorter than the 3 s in which a connection must be made. */
const SEARCH_FOR = 2_500;
/** Milliseconds for the other servers to answer after one said that it is the primary. A busy one needs about 100. */
const HEAR_OTHERS_FOR = 1_000;

/** The timeline is the first 8 hexadecimal digits. Null on a standby. */
const ROLE = `select case when not pg_is_in_recovery() then pg_walfile_name(pg_current_wal_lsn()) end as segment`;

/** The options that pg needs to connect; a pool takes them too. */
export interface Connector {
  readonly connectionString: string;
  readonly Client: typeof pg.Client;
}

/**
 * Makes the options for connecting to the database. When the connection string names several servers, each connection
 * looks up the primary, and all connections of one connector go to the same server. node-postgres itself supports only
 * one server.
 */
export function connectorTo(url: string): Connector {
  const servers = serversOf(url);
  return {
    connectionString: servers[0].url,
    Client: servers.length === 1 ? pg.Client : clientOf(new Primary(servers)),
  };
}

/** A single connection to the database. */
export function databaseClient(url: string, options: Omit<pg.ClientConfig, 'connectionString'>): pg.Client {
  const { Client, connectionString } = connectorTo(url);
  return new Client({ ...options, connectionString });
}

type ConnectCallback = (error: Error | null, client?: pg.Client) => void;

/**
 * Makes a client class that connects to the primary. pg reads host and port when it connects, and TLS verifies that
 * host.
 */
function clientOf(primary: Primary): typeof pg.Client {
  return class extends pg.Client {
    override connect(): Promise<pg.Client>;
    override connect(callback: ConnectCallback): void;
    override connect(callback?: ConnectCallback): Promise<pg.Client> | undefined {
      const connected = primary.join(this, () => super.connect());
      if (!callback) return connected.then(() => this);
      connected.then(() => callback(null, this), callback);
      return undefined;
    }
  };
}

/** Finds the primary among several servers. The result is cached until a connection to it fails. */
class Primary {
  #known: DatabaseServer | undefined;
  #search: Promise<DatabaseServer> | undefined;
  readonly #clients = new Map<pg.Client, DatabaseServer>();

  constructor(private readonly servers: readonly DatabaseServer[]) {}

  /**
   * Connects a client to the primary.
   * @throws {NoPrimary} within SEARCH_FOR.
   */
  async join(client: pg.Client, connect: () => Promise<unknown>): Promise<void> {
    const server = this.#known ?? (await this.#find());
    // Connecting a socket that was destroyed meanwhile would revive it.
    if (isDestroyed(client)) throw new Error('Connection terminated while the primary was looked up');
    Object.assign(client, { host: server.host, port: server.port });
    this.#clients.set(client, server);
    client.once('end', () => this.#clients.delete(client));
    // pg emits an error whenever a connection ends that it did not end itself.
    client.on('error', () => this.#doubt(server));
    try {
      await connect();
    } catch (error) {
      if (!isAnswer(error)) this.#doubt(server);
      throw error;
    }
  }

  #doubt(server: DatabaseServer): void {
    if (this.#known === server) this.#known = undefined;
  }

  /** Runs one search at a time, for all connections that wait. */
  #find(): Promise<DatabaseServer> {
    this.#search ??= findPrimary(this.servers)
      .then((server) => this.#moveTo(server))
      .finally(() => {
        this.#search = undefined;
      });
    return this.#search;
  }

  /** Cuts connections to other servers: a former primary may be frozen, or still accept writes that will be lost. */
  #moveTo(server: DatabaseServer): DatabaseServer {
    this.#known = server;
    for (const [client, at] of this.#clients) if (at !== server) destroyClient(client);
    return server;
  }
}

/**
 * Asks all servers in parallel, and repeatedly. Of two primaries it chooses the one with the higher timeline: the other
 * one is an old primary that came back after a failover.
 */
async function findPrimary(servers: readonly DatabaseServer[]): Promise<DatabaseServer> {
  const search = new AbortController();
  const { signal } = search;
  const timer = setTimeout(() => search.abort(), SEARCH_FOR);
  const timelines = new Map<DatabaseServer, number>();
  const reasons = new Map<DatabaseServer, string>();
  const ask = async (server: DatabaseServer): Promise<boolean> => {
    try {
      const timeline = await timelineOf(server, signal);
      reasons.set(server, 'it is a standby');
      if (timeline === undefined) return false;
      timelines.set(server, timeline);
      return true;
    } catch (error) {
      // A query that failed only because the search ended says nothing about the server.
      if (!signal.aborted || !reasons.has(server))
        reasons.set(server, connectionRefusal(error) ?? 'the connection failed');
      return false;
    }
  };
  const first = servers.map((server) => ask(server));
  const untilPrimary = async (server: DatabaseServer, answer: Promise<boolean> | undefined) => {
    for (let isPrimary = await answer; !isPrimary; isPrimary = await ask(server))
      await sleep(ASK_AGAIN_AFTER, undefined, { signal });
  };
  try {
    await Promise.any(servers.map((server, index) => untilPrimary(server, first[index])));
    await Promise.race([Promise.all(first), sleep(HEAR_OTHERS_FOR, undefined, { signal })]);
  } catch {
    // The time is over.
  } finally {
    clearTimeout(timer);
    search.abort();
  }
  const timelineOn = (server: DatabaseServer) => timelines.get(server) ?? 0;
  const primaries = servers.filter((server) => timelines.has(server));
  const [newest] = primaries.toSorted((one, other) => timelineOn(other) - timelineOn(one));
  if (newest) return newest;
  throw new NoPrimary(servers.map((server) => `${server.name}: ${reasons.get(server)}`));
}

/** @returns undefined for a standby. */
async function timelineOf(server: DatabaseServer, signal: AbortSignal): Promise<number | undefined> {
  const client = new pg.Client({ connectionString: server.url, application_name: 'gatehouse primary' });
  client.on('error', () => {});
  const cut = () =>
    destroyClient(client, Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
  const timer = setTimeout(cut, ANSWER_WITHIN);
  signal.addEventListener('abort', cut);
  try {
    await client.connect();
    const { rows } = await client.query<{ segment: string | null }>(ROLE);
    const segment = rows[0]?.segment;
    return segment ? Number.parseInt(segment.slice(0, 8), 16) : undefined;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cut);
    destroyClient(client);
  }
}

/**
 * Whether a working server refused the connection, for example for a wrong password. A server that starts or stops
 * refuses with class 57P.
 */
const isAnswer = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && !/^57P/.test(error.code ?? '');

const isDestroyed = (client: pg.Client): boolean =>
  (client as unknown as { connection: { stream: { destroyed: boolean } } }).connection.stream.destroyed;
