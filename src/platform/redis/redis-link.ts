import { createClient, createCluster, ErrorReply } from 'redis';
import { redactRedisError } from './redact-redis-error.ts';
import type { Endpoint, RedisAddress } from './redis-address.ts';

/**
 * Milliseconds for a TCP or TLS connection. Shorter than an attempt (redis-connection.ts), so that no socket outlives
 * its attempt.
 */
const SOCKET_DEADLINE = 1_000;
/** Milliseconds for a node to answer about the topology. A frozen node must not delay questions to the others. */
const DIRECTIONS_DEADLINE = 500;

export type Purpose = 'commands' | 'events';

type SingleClient = ReturnType<typeof singleClient>;

/** The methods that a single node and a cluster share. Only links for events subscribe. */
export type RedisClient = Pick<SingleClient, 'ping' | 'eval' | 'evalSha' | 'hDel' | 'publish'>;

/** One attempt to reach Redis. It connects once, and never returns after a cut. */
export interface RedisLink {
  /** @throws when the server cannot be used, such as a replica or a cluster that is down. */
  connect(): Promise<void>;
  readonly client: RedisClient;
  subscribe(channel: string, listener: (message: string) => void): Promise<void>;
  /** Sends a command to every server that it uses: to one, or to each primary of a cluster. */
  ask(command: readonly string[]): Promise<unknown[]>;
  /** Milliseconds since 1970 by the clock of Redis; in a cluster, by the clock that is furthest ahead. */
  time(): Promise<number>;
  /** Checks periodically whether another server took over, when the connected one may not know it. */
  review(): Promise<void>;
  /** The message with which Redis refused a command; undefined when the error is about the connection. */
  readonly refusal: (error: unknown) => string | undefined;
  /** Cuts at once, without a graceful close. */
  cut(): void;
}

/** The primary that the Sentinels named last. A RedisConnection keeps it between attempts. */
export interface KnownPrimary {
  at?: Endpoint;
}

/**
 * @param primary used while no Sentinel answers
 * @param onLost called when an established connection is lost
 */
export function openLink(
  address: RedisAddress,
  purpose: Purpose,
  primary: KnownPrimary,
  onLost: (error?: unknown) => void,
): RedisLink {
  // A message reaches every node of a cluster, so a connection that listens may use any node.
  return address.kind === 'cluster' && purpose === 'commands'
    ? new ClusterLink(address, purpose, onLost)
    : new SingleLink(address, purpose, primary, onLost);
}

/**
 * A connection to one server: the server of the address, the primary that the Sentinels name, or any node of a cluster.
 * createSentinel of node-redis has its own pools, retries and queues. It is not needed: finding the primary at each
 * attempt, and periodically, is enough.
 */
class SingleLink implements RedisLink {
  readonly refusal = refusalOf;
  private opened: SingleClient | undefined;
  private at: Endpoint | undefined;
  private isCut = false;

  constructor(
    private readonly address: RedisAddress,
    private readonly purpose: Purpose,
    private readonly primary: KnownPrimary,
    private readonly onLost: (error?: unknown) => void,
  ) {}

  get client(): SingleClient {
    if (!this.opened) throw new Error('the link to Redis was not connected');
    return this.opened;
  }

  async connect(): Promise<void> {
    const { address } = this;
    const at = address.kind === 'sentinel' ? await this.namedPrimary() : oneOf(address.nodes);
    if (this.isCut) return;
    this.at = at;
    const client = singleClient(address, this.purpose, at);
    this.opened = client;
    client.on('error', this.onLost);
    client.on('end', () => this.onLost());
    // node-redis cannot cut a socket that is still connecting, so an abandoned attempt is cut here.
    client.on('connect', () => {
      if (this.isCut) client.destroy();
    });
    await client.connect();
    // A server that still loads its data accepts connections, but refuses this.
    await client.ping();
    if (address.kind !== 'cluster') refuseUnfit(await client.sendCommand(['HELLO']));
  }

  /**
   * Returns the primary that the Sentinels name. Without Sentinels there is no failover either, so the last known
   * primary is used.
   */
  private async namedPrimary(): Promise<Endpoint> {
    try {
      this.primary.at = await primaryOf(this.address);
      return this.primary.at;
    } catch (error) {
      if (!this.primary.at) throw error;
      return this.primary.at;
    }
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    await this.client.subscribe(channel, listener);
  }

  async ask(command: readonly string[]): Promise<unknown[]> {
    return [await this.client.sendCommand([...command])];
  }

  async time(): Promise<number> {
    return milliseconds(await this.client.time());
  }

  /**
   * Checks for another primary. In a planned failover the Sentinels inform the old primary only some ten seconds later,
   * and its writes meanwhile are lost.
   */
  async review(): Promise<void> {
    if (this.address.kind !== 'sentinel') return;
    // Without an answer there is no reason to leave the current server.
    const now = await primaryOf(this.address).catch(() => undefined);
    if (now && !(now.host === this.at?.host && now.port === this.at.port)) {
      this.onLost(new Error('the Sentinels name another primary now'));
    }
  }

  cut(): void {
    this.isCut = true;
    this.opened?.destroy();
  }
}

/**
 * Connections to every primary of a cluster; each command goes to the primary with its key. It counts as one
 * connection: it is lost with the first of them, and cannot be made while a primary is away and not replaced.
 */
class ClusterLink implements RedisLink {
  readonly refusal = refusalOf;
  readonly client: ReturnType<typeof clusterClient>;
  private isCut = false;

  constructor(address: RedisAddress, purpose: Purpose, onLost: (error?: unknown) => void) {
    this.client = clusterClient(address, purpose);
    this.client.on('node-error', onLost);
    // Errors of nodes that were only asked about the topology. Commands and attempts report their own errors.
    this.client.on('error', () => {});
    // The client connects to the nodes that it learns of, even when the link was cut while the client asked for them.
    this.client.on('node-connect', () => {
      if (this.isCut) this.destroy();
    });
  }

  async connect(): Promise<void> {
    await this.client.connect();
    await this.client.ping();
    // A cluster that is down answers a ping, but refuses every command with a key.
    const info = String(await this.client.clusterInfo());
    if (!info.includes('cluster_state:ok')) throw new Error('this cluster of Redis is down');
  }

  subscribe(): Promise<never> {
    return Promise.reject(new Error('a link for commands does not listen'));
  }

  ask(command: readonly string[]): Promise<unknown[]> {
    const answers = this.client.masters.map(async (primary) =>
      (await this.client.nodeClient(primary)).sendCommand([...command]),
    );
    return Promise.all(answers);
  }

  async time(): Promise<number> {
    const times = this.client.masters.map(async (primary) =>
      milliseconds(await (await this.client.nodeClient(primary)).time()),
    );
    return Math.max(...(await Promise.all(times)));
  }

  /** Does nothing: a node that gets a command for another node names the right node. */
  async review(): Promise<void> {}

  cut(): void {
    this.isCut = true;
    this.destroy();
  }

  private destroy(): void {
    // A client that is destroyed while its socket is still connecting goes on connecting, unknown to the cluster.
    for (const { client } of this.client.masters) client?.once('connect', () => client.destroy());
    this.client.destroy();
  }
}

const refusalOf = (error: unknown): string | undefined =>
  error instanceof ErrorReply ? error.message : undefined;

/**
 * @returns the address of the primary from the first Sentinel that answers.
 * @throws when no Sentinel knows it.
 */
async function primaryOf(address: RedisAddress): Promise<Endpoint> {
  const asked = address.nodes.map((sentinel) => askSentinel(address, sentinel));
  try {
    return await Promise.any(asked);
  } catch (error) {
    const reasons = error instanceof AggregateError ? error.errors : [error];
    throw new Error(
      `no Sentinel named the primary: ${reasons.map((reason) => String(redactRedisError(reason))).join('; ')}`,
    );
  }
}

async function askSentinel(address: RedisAddress, sentinel: Endpoint): Promise<Endpoint> {
  try {
    return await askAs({ ...address, username: undefined, password: undefined }, sentinel);
  } catch (error) {
    // The credentials in REDIS_URL are for the servers. A Sentinel gets them only when it requires a login.
    if (!refusalOf(error)?.startsWith('NOAUTH')) throw error;
    return askAs(address, sentinel);
  }
}

async function askAs(address: RedisAddress, sentinel: Endpoint): Promise<Endpoint> {
  const client = createClient({
    ...optionsOf({ ...address, database: 0 }, 'commands'),
    socket: { ...socketOf(address, sentinel), socketTimeout: DIRECTIONS_DEADLINE },
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const answer = await client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', address.primaryName]);
    const [host, port] = (Array.isArray(answer) ? answer : []).map(String);
    if (host === undefined || port === undefined) throw new Error('a Sentinel knows no primary of that name');
    return { host, port: Number(port) };
  } finally {
    client.destroy();
  }
}

/** @param hello the reply to HELLO, which every user may send */
function refuseUnfit(hello: unknown): void {
  const { role, mode } = hello as { role?: unknown; mode?: unknown };
  if (mode === 'sentinel') throw new Error('this is a Sentinel: use redis+sentinel://');
  // A deposed primary, or an address that leads to the wrong server: writes are not possible there.
  if (role === 'replica') throw new Error('this Redis is a replica');
}

function singleClient(address: RedisAddress, purpose: Purpose, at: Endpoint) {
  return createClient({
    ...optionsOf(address, purpose),
    database: address.database,
    socket: socketOf(address, at),
  });
}

function clusterClient(address: RedisAddress, purpose: Purpose) {
  return createCluster({
    rootNodes: address.nodes.map((node) => ({
      socket: { ...socketOf(address, node), socketTimeout: DIRECTIONS_DEADLINE },
    })),
    defaults: { ...optionsOf(address, purpose), socket: socketOf(address) },
  });
}

const optionsOf = ({ username, password }: RedisAddress, purpose: Purpose) => ({
  ...(username !== undefined && { username }),
  ...(password !== undefined && { password }),
  name: `gatehouse-${purpose}`,
  disableOfflineQueue: true,
  // Off: this notice of Redis Enterprise extends deadlines to 10 s.
  maintNotifications: 'disabled' as const,
});

const socketOf = ({ tls }: RedisAddress, at: Partial<Endpoint> = {}) => ({
  ...at,
  ...(tls && { tls: true as const }),
  connectTimeout: SOCKET_DEADLINE,
  reconnectStrategy: false as const,
});

/** @param time the reply to TIME: seconds and microseconds */
const milliseconds = ([seconds, micros]: readonly string[]): number =>
  Number(seconds) * 1000 + Number(micros) / 1000;

function oneOf<T>(choices: readonly T[]): T {
  const [choice] = choices.toSorted(() => Math.random() - 0.5);
  if (choice === undefined) throw new Error('the list of Redis nodes is empty');
  return choice;
}
