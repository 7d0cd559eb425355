import type { WebSocket } from '@fastify/websocket';
import { single } from '../platform/telemetry/index.ts';
import { webSockets } from './metrics.ts';
import { type Budget, type Place, PlaceTable } from './place-table.ts';

/** RFC 6455 section 7.4.1. */
const NORMAL = 1000;
/** Registered with IANA: https://www.iana.org/assignments/websocket */
export const TRY_AGAIN_LATER = 1013;
/** Milliseconds that a socket without a credential may stay open without a subscription. */
const PATIENCE = 5_000;

/** The number of WebSockets that a process holds. */
export interface SocketBudget extends Budget {
  /** Part of `total` for sockets without a credential. The rest is for signed-in users. */
  readonly anonymous: number;
  /** Sockets of one account, from all networks. Otherwise one account could take the places of all signed-in users. */
  readonly perAccount: number;
}

/**
 * The places for WebSockets. A socket with neither a credential nor a subscription only holds a place, so it is closed
 * soon.
 */
export class SocketPlaces {
  private readonly table: PlaceTable<SocketPlace>;
  private readonly anonymous = new Set<SocketPlace>();
  /** Places of each account; absent for an account without places. */
  private readonly accounts = new Map<string, number>();

  constructor(private readonly budget: SocketBudget) {
    this.table = new PlaceTable(budget);
    webSockets.readBy(() => single(this.table.size));
  }

  /**
   * Takes a place for a socket that was just opened. Only the client's hello tells whether it is signed in, so until
   * then it may take a place for signed-in users.
   * @returns undefined when no place is free.
   */
  open(socket: Pick<WebSocket, 'close' | 'terminate'>, networks: readonly string[]): SocketPlace | undefined {
    if (this.anonymous.size >= this.budget.anonymous) this.table.makeRoom();
    const place = new SocketPlace(socket, networks, {
      table: this.table,
      anonymous: this.anonymous,
      places: this,
    });
    if (!this.table.take(place)) return undefined;
    this.anonymous.add(place);
    place.expectMore();
    return place;
  }

  /** Whether a socket that has said hello without a credential may stay. */
  get anonymousMayStay(): boolean {
    return this.anonymous.size <= this.budget.anonymous;
  }

  /** @returns false when the account holds its maximum; then nothing was taken. */
  takeOfAccount(account: string): boolean {
    const held = this.accounts.get(account) ?? 0;
    if (held >= this.budget.perAccount) return false;
    this.accounts.set(account, held + 1);
    return true;
  }

  leaveOfAccount(account: string): void {
    const held = this.accounts.get(account) ?? 0;
    if (held > 1) this.accounts.set(account, held - 1);
    else this.accounts.delete(account);
  }
}

/** The parts that `SocketPlace` uses. All sockets share them. */
interface SocketPlaceDependencies {
  readonly table: PlaceTable<SocketPlace>;
  readonly anonymous: Set<SocketPlace>;
  readonly places: SocketPlaces;
}

/** The place of one socket. */
export class SocketPlace implements Place {
  private readonly subscriptions = new Set<string>();
  private patience: NodeJS.Timeout | undefined;
  /** Undefined until the client is signed in. */
  private account: string | undefined;
  private isOver = false;

  constructor(
    private readonly socket: Pick<WebSocket, 'close' | 'terminate'>,
    readonly networks: readonly string[],
    private readonly deps: SocketPlaceDependencies,
  ) {}

  isWaiting(): boolean {
    return this.deps.anonymous.has(this) && this.subscriptions.size === 0;
  }

  close(): void {
    this.socket.close(TRY_AGAIN_LATER, 'Too many sockets');
    // Otherwise a client that does not answer would keep the connection for seconds.
    this.socket.terminate();
    this.leave();
  }

  /**
   * Notes that the client said hello with a valid credential.
   * @returns false when the account holds its maximum of sockets, or the client left meanwhile: close it then.
   */
  signedIn(account: string): boolean {
    if (this.isOver || !this.deps.places.takeOfAccount(account)) return false;
    this.account = account;
    clearTimeout(this.patience);
    this.deps.anonymous.delete(this);
    this.deps.table.keep(this);
    return true;
  }

  /** Notes that a subscription was accepted and goes on. */
  began(subscription: string): void {
    clearTimeout(this.patience);
    this.subscriptions.add(subscription);
    this.deps.table.keep(this);
  }

  /**
   * Notes that a subscription is over. A subscription that was never accepted changes nothing. Otherwise a client could
   * keep its place by invalid subscriptions.
   */
  ended(subscription: string): void {
    if (!this.subscriptions.delete(subscription) || !this.isWaiting()) return;
    this.deps.table.touch(this);
    this.expectMore();
  }

  leave(): void {
    clearTimeout(this.patience);
    this.deps.anonymous.delete(this);
    this.deps.table.leave(this);
    if (this.account !== undefined) this.deps.places.leaveOfAccount(this.account);
    this.account = undefined;
    this.isOver = true;
  }

  expectMore(): void {
    const close = () => this.socket.close(NORMAL, 'Neither signed in nor subscribed');
    this.patience = setTimeout(close, PATIENCE).unref();
  }
}
