/** Something that a client keeps open: a connection or a WebSocket. */
export interface Place {
  /** The networks in which its client is counted, the narrowest first (`networksOf`). Empty when it is not counted. */
  readonly networks: readonly string[];
  /** Whether the gateway waits for the client, instead of the client for the gateway. */
  isWaiting(): boolean;
  /** Ends it, because another client needs the place. */
  close(): void;
}

/** The number of places, and how many of them one client and its networks may hold. */
export interface Budget {
  readonly total: number;
  /** Places of one IPv4 address, or one IPv6 /64. */
  readonly perClient: number;
  /** Places of one IPv6 /48. A /56 may hold the mean of the two. */
  readonly perNetwork: number;
}

/** Milliseconds in which a place is not taken away. An honest client sends something within them. */
const GRACE = 1_000;

/** The network of uncounted clients. Its limit is infinite, so it always holds the smallest fraction of its limit. */
const UNCOUNTED = '';

interface Network<T> {
  held: number;
  readonly limit: number;
  /** Places that may be closed, the least recently touched first. */
  readonly closable: Set<Entry<T>>;
}

interface Entry<T> {
  readonly place: T;
  readonly networks: readonly Network<T>[];
  /** In the time of `performance.now()`. */
  touchedAt: number;
  kept: boolean;
}

/**
 * Places that clients share. A client at its budget replaces its own place that has waited longest for its client. A
 * new client at a full table replaces a place of the network that holds the largest fraction of its budget. The new
 * client is refused only when no place is waiting.
 *
 * Closing is better than refusing: each side may close an idle connection at any time, and clients then open another
 * one (RFC 9112 section 9.5), whereas people see the error of a refused connection.
 */
export class PlaceTable<T extends Place> {
  private readonly networks = new Map<string, Network<T>>();
  private readonly entries = new Map<T, Entry<T>>();

  constructor(private readonly budget: Budget) {}

  get size(): number {
    return this.entries.size;
  }

  /** The fraction of taken places, from 0 to 1. */
  get fill(): number {
    return this.entries.size / this.budget.total;
  }

  /** @returns false when no place is free; then nothing was taken. */
  take(place: T): boolean {
    if (!this.hasRoomFor(place)) return false;
    const networks = limited(place, this.budget).map(([name, limit]) => this.network(name, limit));
    const entry = { place, networks, touchedAt: performance.now(), kept: false };
    this.entries.set(place, entry);
    for (const network of networks) {
      network.held += 1;
      network.closable.add(entry);
    }
    return true;
  }

  /** Returns a place. Does nothing for a place that was returned or taken away before. */
  leave(place: T): void {
    const entry = this.entries.get(place);
    if (!entry) return;
    this.entries.delete(place);
    for (const network of entry.networks) {
      network.held -= 1;
      network.closable.delete(entry);
    }
    // Otherwise the network of every former client would stay in memory.
    for (const [name] of limited(place, this.budget)) {
      if (this.networks.get(name)?.held === 0) this.networks.delete(name);
    }
  }

  /** Notes that the client is active: its waiting time begins again. */
  touch(place: T): void {
    const entry = this.entries.get(place);
    if (!entry) return;
    entry.touchedAt = performance.now();
    entry.kept = false;
    for (const { closable } of entry.networks) {
      closable.delete(entry);
      closable.add(entry);
    }
  }

  /** Protects a place from being taken away, until it is touched. */
  keep(place: T): void {
    const entry = this.entries.get(place);
    if (!entry) return;
    entry.kept = true;
    for (const { closable } of entry.networks) closable.delete(entry);
  }

  /**
   * Closes a hundredth of the places, at least one, so that a table that stays full is not searched for each new
   * client.
   * @returns whether a place was closed.
   */
  makeRoom(): boolean {
    const wanted = Math.max(1, Math.floor(this.budget.total / 100));
    let freed = 0;
    const share = ({ held, limit }: Network<T>) => held / limit;
    for (const network of [...this.networks.values()].sort((a, b) => share(b) - share(a))) {
      while (freed < wanted && this.closeOldest(network)) freed += 1;
    }
    return freed > 0;
  }

  /** The places that were not touched for so many milliseconds, except protected ones. */
  silentFor(milliseconds: number): T[] {
    const before = performance.now() - milliseconds;
    return [...this.entries.values()]
      .filter(({ touchedAt, kept }) => !kept && touchedAt < before)
      .map(({ place }) => place);
  }

  private hasRoomFor(place: T): boolean {
    for (const [name, limit] of limited(place, this.budget)) {
      const network = this.networks.get(name);
      if (network && network.held >= limit && !this.closeOldest(network)) return false;
    }
    return this.entries.size < this.budget.total || this.makeRoom();
  }

  private closeOldest({ closable }: Network<T>): boolean {
    const before = performance.now() - GRACE;
    for (const { place, touchedAt } of closable) {
      if (touchedAt > before) return false;
      if (!place.isWaiting()) continue;
      this.leave(place);
      place.close();
      return true;
    }
    return false;
  }

  private network(name: string, limit: number): Network<T> {
    const known = this.networks.get(name);
    if (known) return known;
    const network = { held: 0, limit, closable: new Set<Entry<T>>() };
    this.networks.set(name, network);
    return network;
  }
}

/** The networks of a place, each with its limit. */
function limited({ networks }: Place, { perClient, perNetwork }: Budget): [string, number][] {
  if (networks.length === 0) return [[UNCOUNTED, Number.POSITIVE_INFINITY]];
  const limits = [perClient, Math.floor((perClient + perNetwork) / 2), perNetwork];
  return networks.map((name, level) => [name, limits[level] ?? perNetwork]);
}
