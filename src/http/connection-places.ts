import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import { bareAddress, networksOf } from '../platform/request/index.ts';
import { type Budget, type Place, PlaceTable } from './place-table.ts';

/** Milliseconds without a request after which a connection is closed. Longer than the 60 s of common proxies. */
export const KEEP_ALIVE_TIMEOUT = 72_000;
/** Like KEEP_ALIVE_TIMEOUT, when at least nine tenths of the places are taken. */
const LEAST_KEEP_ALIVE = 2_000;
/**
 * Fractions of taken places. Up to SPARE, idle connections stay for KEEP_ALIVE_TIMEOUT; from TIGHT on, for
 * LEAST_KEEP_ALIVE.
 */
const SPARE = 0.5;
const TIGHT = 0.9;
/** Milliseconds between two sweeps of idle connections, and between two lines in the log. */
const SWEEP_INTERVAL = 1_000;
const REPORT_INTERVAL = 60_000;

/** Milliseconds that a connection may be idle while this fraction of all places is taken. */
export function idleAllowance(fill: number): number {
  const tightness = Math.min(1, Math.max(0, (fill - SPARE) / (TIGHT - SPARE)));
  return Math.round(KEEP_ALIVE_TIMEOUT - tightness * (KEEP_ALIVE_TIMEOUT - LEAST_KEEP_ALIVE));
}

/** One connection, and the requests that it carries. */
class Connection implements Place {
  private readonly responses = new Set<ServerResponse>();

  constructor(
    private readonly socket: Socket,
    readonly networks: readonly string[],
    private readonly onClosed: () => void,
  ) {}

  get isIdle(): boolean {
    return this.responses.size === 0;
  }

  /**
   * Whether the gateway waits for the client: the connection is idle, its client does not send the rest of a body, or
   * does not read the answer. Otherwise a client that is slow enough could hold any number of places.
   */
  isWaiting(): boolean {
    return [...this.responses].every(
      (response) => !response.req.complete || response.writableEnded || response.writableNeedDrain,
    );
  }

  close(): void {
    this.onClosed();
    this.socket.destroy();
  }

  asked(response: ServerResponse): void {
    this.responses.add(response);
  }

  answered(response: ServerResponse): void {
    this.responses.delete(response);
  }
}

export interface ConnectionSharing {
  readonly server: Server;
  readonly budget: Budget;
  /** IPs and networks. Their connections carry the requests of many clients, so they do not count as one client. */
  readonly trustedProxies: readonly string[];
  /**
   * Called at most once a minute, with the connections that were refused or closed to make room since the last call.
   */
  readonly onCrowded: (facts: { refused: number; closed: number }) => void;
}

/**
 * Shares the connections of a server among its clients. While the table fills, idle connections are closed sooner, so
 * that a small request now and then does not hold a place.
 * @returns a function that stops the sweeps.
 */
export function shareConnections(options: ConnectionSharing): () => void {
  const { server, budget, trustedProxies, onCrowded } = options;
  // One more than the table has: a new connection must be accepted before another one is closed for it.
  server.maxConnections = budget.total;
  const table = new PlaceTable<Connection>({ ...budget, total: budget.total - 1 });
  const connections = new WeakMap<Socket, Connection>();
  const isProxy = peersIn(trustedProxies);
  let refused = 0;
  let closed = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  const report = () => {
    if (refused + closed === 0 || performance.now() - toldAt < REPORT_INTERVAL) return;
    toldAt = performance.now();
    onCrowded({ refused, closed });
    refused = 0;
    closed = 0;
  };

  server.prependListener('connection', (socket: Socket) => {
    const peer = bareAddress(socket.remoteAddress ?? '');
    const networks = peer === null || isProxy(peer) ? [] : networksOf(peer);
    const connection = new Connection(socket, networks, () => {
      closed += 1;
    });
    if (!table.take(connection)) {
      refused += 1;
      socket.destroy();
      return;
    }
    connections.set(socket, connection);
    socket.once('close', () => table.leave(connection));
  });
  server.on('drop', () => {
    refused += 1;
  });
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const connection = connections.get(request.socket);
    if (!connection) return;
    connection.asked(response);
    table.touch(connection);
    response.once('close', () => {
      connection.answered(response);
      table.touch(connection);
    });
  });
  server.prependListener('upgrade', ({ socket }: IncomingMessage) => {
    const connection = connections.get(socket);
    if (connection) table.keep(connection);
  });

  const sweep = setInterval(() => {
    report();
    const allowance = idleAllowance(table.fill);
    if (allowance === KEEP_ALIVE_TIMEOUT) return;
    for (const connection of table.silentFor(allowance)) {
      // A proxy would answer 502 to a request that arrives during the close.
      if (connection.isIdle && connection.networks.length > 0) connection.close();
    }
  }, SWEEP_INTERVAL).unref();
  return () => clearInterval(sweep);
}

/** @returns a function that tells whether an IP is in the list, or in one of its networks. */
export function peersIn(addresses: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const item of addresses) {
    const [address = '', bits] = item.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
