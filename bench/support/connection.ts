import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** The header, in seconds. */
  readonly retryAfter: number | undefined;
  /** That the server closes the connection. */
  readonly isLast: boolean;
  readonly body: string;
}

/**
 * One kept-alive connection, one request at a time. Written by hand because the load shares a core with PostgreSQL:
 * `fetch` costs about as much as the gateway's answer does, and would be what is measured.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #head: string;
  #received = '';
  #answer: PromiseWithResolvers<Answer> | undefined;

  private constructor(socket: Socket, head: string) {
    this.#socket = socket;
    this.#head = head;
    // Answers are ASCII, so that a character is a byte.
    socket.setEncoding('latin1').setNoDelay(true);
    socket.on('data', (text) => this.#receive(String(text)));
    socket.on('close', () => this.#answer?.reject(new Error('the server closed the connection')));
  }

  static async open(url: string): Promise<Connection> {
    const { hostname, port, host, pathname } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('connect', resolve).once('error', reject);
    await promise;
    return new Connection(
      socket,
      `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n`,
    );
  }

  /** @returns the body of the answer. @throws when it is not a GraphQL answer without errors. */
  async post(body: string, bearer?: string): Promise<string> {
    const answer = await this.ask(body, bearer);
    if (answer.body.includes('"errors":')) throw new Error(`the bench was refused: ${answer.body}`);
    return answer.body;
  }

  /** @returns the answer, whatever it is. @throws when the server closes the connection instead. */
  ask(body: string, bearer?: string): Promise<Answer> {
    this.#answer = Promise.withResolvers();
    const authorization = bearer === undefined ? '' : `authorization: Bearer ${bearer}\r\n`;
    this.#socket.write(
      `${this.#head}${authorization}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    return this.#answer.promise;
  }

  /** @param reason what the request under way ends with */
  close(reason?: Error): void {
    if (reason) this.#answer?.reject(reason);
    this.#answer = undefined;
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    const bodyAt = this.#received.indexOf('\r\n\r\n') + 4;
    if (bodyAt < 4) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1]);
    if (!(this.#received.length >= bodyAt + length)) return;
    const head = this.#received.slice(0, bodyAt);
    const body = this.#received.slice(bodyAt, bodyAt + length);
    this.#received = '';
    const retryAfter = /\r\nretry-after: (\d+)/i.exec(head)?.[1];
    this.#answer?.resolve({
      status: Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)),
      isLast: /\r\nconnection: close\r\n/i.test(head),
      retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
      body,
    });
  }
}
