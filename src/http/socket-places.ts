/** Sockets of a process, and of one network among them. */
const MAX_SOCKETS = 2_000;
const MAX_SOCKETS_OF_NETWORK = 100;

/** Bounds the sockets that are open: whoever keeps theirs open for ever takes no place from other networks. */
export class SocketPlaces {
  private readonly taken = new Map<string, number>();
  private total = 0;

  /** @returns false where there is none left. */
  take(network: string): boolean {
    const own = this.taken.get(network) ?? 0;
    if (this.total >= MAX_SOCKETS || own >= MAX_SOCKETS_OF_NETWORK) return false;
    this.taken.set(network, own + 1);
    this.total += 1;
    return true;
  }

  leave(network: string): void {
    const own = this.taken.get(network) ?? 0;
    if (own > 1) this.taken.set(network, own - 1);
    else this.taken.delete(network);
    this.total -= 1;
  }
}
