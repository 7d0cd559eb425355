import type { WebSocket } from '@fastify/websocket';
import { type Budget, type Place, PlaceTable } from './place-table.ts';

/** RFC 6455 section 7.4.1. */
const NORMAL = 1000;
/** Registered with IANA: https://www.iana.org/assignments/websocket */
export const TRY_AGAIN_LATER = 1013;
/** Milliseconds that a socket without a credential may stay open without a subscription. */
const PATIENCE = 5_000;

/** How many WebSockets a process holds. */
export interface SocketBudget extends Budget {
  /** Of `total`, those without a credential. The rest is left to people who are signed in. */
  readonly anonymous: number;
  /** Of one account, from wherever it is used: otherwise one could take what is left to all who are signed in. */
  readonly perAccount: number;
}

/** The places for WebSockets. One without a credential and without a subscription only holds a place: it is closed soon. */
export class SocketPlaces {
  private readonly table: PlaceTable<SocketPlace>;
  private readonly anonymous = new Set<SocketPlace>();
  /** How many places an account holds; absent where it holds none. */
  private readonly accounts = new Map<string, number>();

  constructor(private readonly budget: SocketBudget) {
    this.table = new PlaceTable(budget);
  }

  /**
   * Of a socket that has just been opened. Only the client's hello tells whether it is signed in, so until then it may take a
   * place of those who are.
   * @returns undefined where there is no place left.
   */
  open(socket: Pick<WebSocket, 'close' | 'terminate'>, networks: readonly string[]): SocketPlace | undefined {
    if (this.anonymous.size >= this.budget.anonymous) this.table.makeRoom();
    const place = new SocketPlace(socket, networks, this.table, this.anonymous, this);
    if (!this.table.take(place)) return undefined;
    this.anonymous.add(place);
    place.expectMore();
    return place;
  }

  /** Whether there is a place for one more socket that has said hello without a credential. */
  get anonymousMayStay(): boolean {
    return this.anonymous.size <= this.budget.anonymous;
  }

  /** @returns false where the account holds as many places as it may: then nothing was taken. */
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
    private readonly table: PlaceTable<SocketPlace>,
    private readonly anonymous: Set<SocketPlace>,
    private readonly places: SocketPlaces,
  ) {}

  isWaiting(): boolean {
    return this.anonymous.has(this) && this.subscriptions.size === 0;
  }

  close(): void {
    this.socket.close(TRY_AGAIN_LATER, 'Too many sockets');
    // Otherwise a client that does not answer would keep the connection for seconds.
    this.socket.terminate();
    this.leave();
  }

  /**
   * Its client said hello with a good credential.
   * @returns false where the account has as many sockets as it may, or the client left meanwhile: close it then.
   */
  signedIn(account: string): boolean {
    if (this.isOver || !this.places.takeOfAccount(account)) return false;
    this.account = account;
    clearTimeout(this.patience);
    this.anonymous.delete(this);
    this.table.keep(this);
    return true;
  }

  /** A subscription was accepted and goes on. */
  began(subscription: string): void {
    clearTimeout(this.patience);
    this.subscriptions.add(subscription);
    this.table.keep(this);
  }

  /** A subscription is over. One that never began changes nothing, or asking for nonsense would keep the place. */
  ended(subscription: string): void {
    if (!this.subscriptions.delete(subscription) || !this.isWaiting()) return;
    this.table.touch(this);
    this.expectMore();
  }

  leave(): void {
    clearTimeout(this.patience);
    this.anonymous.delete(this);
    this.table.leave(this);
    if (this.account !== undefined) this.places.leaveOfAccount(this.account);
    this.account = undefined;
    this.isOver = true;
  }

  expectMore(): void {
    const close = () => this.socket.close(NORMAL, 'Neither signed in nor subscribed');
    this.patience = setTimeout(close, PATIENCE).unref();
  }
}
