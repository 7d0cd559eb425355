import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** Value of the header, in seconds. */
  readonly retryAfter: number | undefined;
  readonly body: string;
}

/**
 * One kept-alive connection with one request at a time. It reconnects when the server has closed it. Written by hand
 * because the load shares a core with PostgreSQL: `fetch` costs about as much as an answer of the gateway, and would
 * dominate the measurement.
 */
export class Connection {
  readonly #url: URL;
  readonly #head: string;
  #socket: Socket | undefined;
  #received = '';
  #answer: PromiseWithResolvers<Answer> | undefined;

  private constructor(url: URL) {
    this.#url = url;
    this.#head = `POST ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/json\r\n`;
  }

  static async open(url: string): Promise<Connection> {
    const connection = new Connection(new URL(url));
    await connection.#connect();
    return connection;
  }

  /** Whether the next request uses the connection of the one before. */
  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  /**
   * @returns the body of the answer.
   * @throws when it is not a GraphQL answer without errors.
   */
  async post(body: string, bearer?: string): Promise<string> {
    const answer = await this.ask(body, bearer);
    if (answer.body.includes('"errors":')) throw new Error(`the bench was refused: ${answer.body}`);
    return answer.body;
  }

  /**
   * @returns the answer, with any status.
   * @throws when the server closes the connection instead.
   */
  async ask(body: string, bearer?: string): Promise<Answer> {
    const socket = this.#socket ?? (await this.#connect());
    const answer = Promise.withResolvers<Answer>();
    this.#answer = answer;
    const authorization = bearer === undefined ? '' : `authorization: Bearer ${bearer}\r\n`;
    socket.write(`${this.#head}${authorization}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    return answer.promise;
  }

  /** @param reason with which the current request is rejected */
  close(reason?: Error): void {
    if (reason) this.#answer?.reject(reason);
    this.#leave();
  }

  async #connect(): Promise<Socket> {
    const { hostname, port } = this.#url;
    const socket = connect({ host: hostname, port: Number(port) });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('connect', resolve).once('error', reject);
    await promise;
    // Answers are ASCII, so a character is a byte.
    socket.setEncoding('latin1').setNoDelay(true);
    socket.on('data', (text) => this.#receive(String(text)));
    socket.on('close', () => {
      if (socket !== this.#socket) return;
      this.close(new Error('the server closed the connection'));
    });
    this.#socket = socket;
    return socket;
  }

  #leave(): void {
    this.#answer = undefined;
    this.#received = '';
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #receive(text: string): void {
    this.#received += text;
    const bodyAt = this.#received.indexOf('\r\n\r\n') + 4;
    if (bodyAt < 4) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1]);
    if (!(this.#received.length >= bodyAt + length)) return;
    const head = this.#received.slice(0, bodyAt);
    const body = this.#received.slice(bodyAt, bodyAt + length);
    const answer = this.#answer;
    this.#received = '';
    if (/\r\nconnection: close\r\n/i.test(head)) this.#leave();
    const retryAfter = /\r\nretry-after: (\d+)/i.exec(head)?.[1];
    answer?.resolve({
      status: Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)),
      retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
      body,
    });
  }
}
