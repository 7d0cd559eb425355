import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** Rows of text by column, for the first pattern that a statement matches. No rows for other statements. */
export type Answers = ReadonlyArray<readonly [statement: RegExp, row: Readonly<Record<string, string>>]>;

/**
 * A server that speaks the protocol of PostgreSQL and is not PostgreSQL (PostgreSQL manual, "Message Formats"). It accepts
 * every login, and answers statements from a list.
 */
export class PostgresPretender {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly answers: Answers,
  ) {}

  static async start(answers: Answers): Promise<PostgresPretender> {
    const server = createServer();
    const pretender = new PostgresPretender(server, answers);
    server.on('connection', (socket) => pretender.serve(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return pretender;
  }

  get url(): string {
    const { port } = this.server.address() as AddressInfo;
    return `postgresql://gatehouse_app:the-password@127.0.0.1:${port}/gatehouse`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    let received: Buffer = Buffer.alloc(0);
    let started = false;
    let prepared = '';
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        const head = started ? 1 : 0;
        if (received.length < head + 4) return;
        const end = head + received.readInt32BE(head);
        if (received.length < end) return;
        const type = started ? String.fromCharCode(received[0] ?? 0) : 'startup';
        const body = received.subarray(head + 4, end);
        received = received.subarray(end);
        if (type === 'startup') {
          started = true;
          socket.write(Buffer.concat([message('R', int32(0)), message('K', int32(1), int32(1)), READY]));
        } else if (type === 'Q') {
          const query = text(body);
          socket.write(Buffer.concat([this.columns(query), this.rows(query), READY]));
        } else if (type === 'P') {
          prepared = text(body.subarray(body.indexOf(0) + 1));
          socket.write(message('1'));
        } else if (type === 'B') socket.write(message('2'));
        else if (type === 'D') socket.write(this.columns(prepared));
        else if (type === 'E') socket.write(this.rows(prepared));
        else if (type === 'S') socket.write(READY);
        else if (type === 'X') socket.end();
      }
    });
  }

  private answer(query: string): Readonly<Record<string, string>> | undefined {
    return this.answers.find(([pattern]) => pattern.test(query))?.[1];
  }

  private columns(query: string): Buffer {
    const names = Object.keys(this.answer(query) ?? {});
    if (names.length === 0) return message('n');
    // Table, column, type (25 is text), length, modifier and format of each.
    const fields = names.map((name) =>
      Buffer.concat([
        Buffer.from(`${name}\0`),
        int32(0),
        int16(0),
        int32(25),
        int16(-1),
        int32(-1),
        int16(0),
      ]),
    );
    return message('T', int16(names.length), ...fields);
  }

  private rows(query: string): Buffer {
    const values = Object.values(this.answer(query) ?? {});
    const row = values.map((value) => Buffer.concat([int32(Buffer.byteLength(value)), Buffer.from(value)]));
    const rows = values.length === 0 ? [] : [message('D', int16(values.length), ...row)];
    return Buffer.concat([...rows, message('C', Buffer.from('SELECT 1\0'))]);
  }
}

const text = (bytes: Buffer): string => bytes.toString('utf8', 0, bytes.indexOf(0));

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function message(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

const READY = message('Z', Buffer.from('I'));
