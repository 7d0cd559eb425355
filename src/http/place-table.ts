/** Something that a client keeps open: a connection or a WebSocket. */
export interface Place {
  /** The networks that its client is counted in, the narrowest first (`networksOf`); empty where it is not counted. */
  readonly networks: readonly string[];
  /** Whether the gateway waits for the client, and not the client for the gateway. */
  isWaiting(): boolean;
  /** Ends it, because its place is needed. */
  close(): void;
}

/** How many places there are, and how many of them one client and its networks may hold. */
export interface Budget {
  readonly total: number;
  /** Of one IPv4 address, or one IPv6 /64. */
  readonly perClient: number;
  /** Of one IPv6 /48. A /56 may hold the mean of the two. */
  readonly perNetwork: number;
}

/** Milliseconds in which a place is not taken away: an honest client says something by then. */
const GRACE = 1_000;

/** The network of those that are not counted. Its limit is infinite, so its part of that limit is always the smallest. */
const UNCOUNTED = '';

interface Network<T> {
  held: number;
  readonly limit: number;
  /** Those that may have to go, the one that was touched longest ago first. */
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
 * Places that clients share. A client at its budget takes the place of its own that has waited longest for its client. A
 * newcomer to a full table takes one of the network that holds the largest part of its budget. Only where none
 * waits, the newcomer is refused.
 *
 * It is this way round because each side may close an idle connection at any time and clients open another one (RFC 9112
 * section 9.5), whereas people see the error of a connection that is refused.
 */
export class PlaceTable<T extends Place> {
  private readonly networks = new Map<string, Network<T>>();
  private readonly entries = new Map<T, Entry<T>>();

  constructor(private readonly budget: Budget) {}

  get size(): number {
    return this.entries.size;
  }

  /** The part of the places that is taken, from 0 to 1. */
  get fill(): number {
    return this.entries.size / this.budget.total;
  }

  /** @returns false where there is none left: then nothing was taken. */
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

  /** Gives a place back; a place that was given back or taken away already is left alone. */
  leave(place: T): void {
    const entry = this.entries.get(place);
    if (!entry) return;
    this.entries.delete(place);
    for (const network of entry.networks) {
      network.held -= 1;
      network.closable.delete(entry);
    }
    // Otherwise each client that ever came would stay in memory.
    for (const [name] of limited(place, this.budget)) {
      if (this.networks.get(name)?.held === 0) this.networks.delete(name);
    }
  }

  /** Its client is alive: from now on it waits anew. */
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

  /** It is not taken away, until it is touched. */
  keep(place: T): void {
    const entry = this.entries.get(place);
    if (!entry) return;
    entry.kept = true;
    for (const { closable } of entry.networks) closable.delete(entry);
  }

  /**
   * Takes a hundredth of the places away, one at least: a table that stays full is then not searched for each newcomer.
   * @returns whether there was one to take.
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

  /** Those that were not touched for so many milliseconds, except those that are kept. */
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

/** The networks of a place, each with how many places it may hold. */
function limited({ networks }: Place, { perClient, perNetwork }: Budget): [string, number][] {
  if (networks.length === 0) return [[UNCOUNTED, Number.POSITIVE_INFINITY]];
  const limits = [perClient, Math.floor((perClient + perNetwork) / 2), perNetwork];
  return networks.map((name, level) => [name, limits[level] ?? perNetwork]);
}
