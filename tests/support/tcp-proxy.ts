import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * A network between the gateway and its database that a test can freeze: nothing arrives, and nothing is
 * refused.
 */
export class TcpProxy {
  private readonly pairs = new Set<[Socket, Socket]>();
  /** Connections that were opened during the freeze. */
  private readonly stranded = new Set<Socket>();
  private frozen = false;
  private losing: { text: string; undelivered: boolean; done: () => void } | undefined;

  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    readonly port: number,
  ) {}

  static async to(host: string, port: number): Promise<TcpProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new TcpProxy(server, (server.address() as AddressInfo).port);
    server.on('connection', (near) => proxy.accept(near, () => connect(port, host)));
    return proxy;
  }

  /** Existing connections go silent forever. With `all`, new connections are silent too. */
  freeze({ all }: { all: boolean }): void {
    this.frozen = all;
    for (const [near, far] of this.pairs) {
      near.unpipe(far);
      far.unpipe(near);
      near.pause();
      far.pause();
    }
  }

  /** Cuts every connection, like a server that crashes. */
  cut(): void {
    for (const socket of [...this.stranded, ...[...this.pairs].flat()]) socket.destroy();
    this.stranded.clear();
  }

  /**
   * Loses the answer to the next COMMIT on a connection that carried `text`, and cuts that connection: after
   * the server has answered or, with `undelivered`, before the server receives it. Resolves when that has
   * happened.
   */
  async loseCommitOf(text: string, { undelivered = false } = {}): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.losing = { text, undelivered, done: resolve };
    await promise;
  }

  /** New connections work again, and the silent ones stay silent. */
  thaw(): void {
    this.frozen = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** During the freeze the server does not see new connections. */
  private accept(near: Socket, open: () => Socket): void {
    if (this.frozen) {
      near.on('error', () => {}).pause();
      this.stranded.add(near);
    } else this.join(near, open());
  }

  private join(near: Socket, far: Socket): void {
    for (const socket of [near, far]) socket.on('error', () => {});
    const pair: [Socket, Socket] = [near, far];
    this.pairs.add(pair);
    near.on('close', () => {
      far.destroy();
      this.pairs.delete(pair);
    });
    let carried = '';
    near.on('data', (sent: Buffer) => {
      if (!this.losing) return;
      carried += sent.toString('latin1');
      const { text, undelivered, done } = this.losing;
      if (!carried.includes(text) || !sent.includes('commit\0')) return;
      this.losing = undefined;
      const cut = () => {
        for (const socket of pair) socket.destroy();
        done();
      };
      if (undelivered) return cut();
      far.unpipe(near);
      far.once('data', cut);
      far.resume();
    });
    near.pipe(far);
    far.pipe(near);
  }
}
