import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { CERTIFICATE, CERTIFICATE_KEY } from './certificate.ts';
import { eventually } from './race.ts';

/** A message in the format of RFC 5424 section 6. */
export interface SyslogMessage {
  readonly priority: number;
  readonly timestamp: string;
  readonly host: string;
  readonly application: string;
  readonly processId: string;
  readonly messageId: string;
  readonly body: Record<string, unknown> & { id: string; action: string };
}

const MESSAGE =
  /^<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) - (\{.*\})$/;

/** A real syslog receiver on loopback: octet counting (RFC 6587) over TCP, or TLS with the test certificate. */
export class TestSyslog {
  readonly messages: SyslogMessage[] = [];
  /** The size of each batch. */
  readonly batches: number[] = [];
  /**
   * `hang` accepts connections and reads nothing. `reset` cuts a connection with unread data. `refuse` closes
   * its side at once, like a receiver with too many connections.
   */
  behaviour: 'read' | 'hang' | 'reset' | 'refuse' = 'read';

  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;

  private constructor(
    readonly tls: boolean,
    private port = 0,
  ) {}

  static async start({ tls = false } = {}): Promise<TestSyslog> {
    const syslog = new TestSyslog(tls);
    await syslog.restart();
    return syslog;
  }

  get address() {
    return { host: '127.0.0.1', port: this.port, tls: this.tls };
  }

  get url(): string {
    return `syslog${this.tls ? '+tls' : ''}://127.0.0.1:${this.port}`;
  }

  ids(): string[] {
    return this.messages.map(({ body }) => body.id);
  }

  actions(): string[] {
    return this.messages.map(({ body }) => body.action);
  }

  /** Waits until it has an event for each of the ids. */
  async received(ids: readonly string[], { withinMilliseconds = 20_000 } = {}): Promise<void> {
    const missing = async () => {
      const have = new Set(this.ids());
      return ids.filter((id) => !have.has(id)).length;
    };
    await eventually(missing, (count) => count === 0, { withinMilliseconds });
  }

  async restart(): Promise<void> {
    await this.stop();
    const server = this.tls
      ? createTlsServer({ key: CERTIFICATE_KEY, cert: CERTIFICATE }, (socket) => this.take(socket))
      : createServer((socket) => this.take(socket));
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    for (const socket of this.sockets) socket.destroy();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  private take(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    if (this.behaviour === 'hang') {
      socket.pause();
      return;
    }
    if (this.behaviour === 'refuse') {
      socket.pause();
      // Waits until the sender has written everything to its kernel.
      setTimeout(() => socket.end(), 2);
      return;
    }
    if (this.behaviour === 'reset') {
      socket.pause();
      setTimeout(() => socket.resetAndDestroy(), 50);
      return;
    }
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => this.parse(Buffer.concat(chunks)));
  }

  /** `MSG-LEN SP SYSLOG-MSG`, repeatedly. @throws for any other input. */
  private parse(bytes: Buffer): void {
    let at = 0;
    let count = 0;
    while (at < bytes.length) {
      const space = bytes.indexOf(0x20, at);
      const length = Number(bytes.toString('latin1', at, space));
      const text = bytes.toString('latin1', space + 1, space + 1 + length);
      const fields = MESSAGE.exec(text);
      if (!fields) throw new Error(`not a syslog message: ${text}`);
      const [, priority, timestamp = '', host = '', application = '', processId = '', messageId = ''] =
        fields;
      const body = JSON.parse(fields[7] ?? '') as SyslogMessage['body'];
      this.messages.push({
        priority: Number(priority),
        timestamp,
        host,
        application,
        processId,
        messageId,
        body,
      });
      at = space + 1 + length;
      count += 1;
    }
    this.batches.push(count);
  }
}
