import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** An address that operators move from one server to another, like a virtual IP or a service of an orchestrator. */
export class VirtualAddress {
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private target: number,
  ) {
    server.on('connection', (near) => this.#join(near, connect(this.target, '127.0.0.1')));
  }

  static async of(port: string): Promise<VirtualAddress> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new VirtualAddress(server, Number(port));
  }

  get port(): string {
    return String((this.server.address() as AddressInfo).port);
  }

  /** Moves the address, and cuts the connections to the former server. */
  moveTo(port: string): void {
    this.target = Number(port);
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
