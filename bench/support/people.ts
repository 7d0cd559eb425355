import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';

const PASSWORD = 'plum orchard violin';
/** Milliseconds before the expiry of a token at which its client gets another one. */
const EARLY = 15_000;
/** Milliseconds to wait for an answer. Longer than an answer takes on a starved machine. */
const PATIENCE = 60_000;

const REGISTER = `mutation ($username: String!, $email: EmailAddress!, $password: String!) {
  register(input: { username: $username, email: $email, password: $password }) { id }
}`;
const LOGIN = `mutation ($username: String!, $password: String!) {
  login(input: { identifier: $username, password: $password }) {
    ... on Authenticated { accessToken refreshToken session { expiresAt } expiresIn }
  }
}`;
const REFRESH = `mutation ($token: String!) {
  refresh(refreshToken: $token) { accessToken refreshToken session { expiresAt } expiresIn }
}`;
const LOGOUT = 'mutation ($token: String!) { logout(refreshToken: $token) }';
const RECOVER = 'mutation ($email: EmailAddress!) { recoverAccount(email: $email) }';
const ME = '{ me { id username email roles { name } } }';
const TOO_DEEP = `{ me { ${'sessions { user { '.repeat(20)} id ${'} }'.repeat(20)} } }`;
const START = 'mutation { startBlockpassSignIn { id secret } }';
const WATCH =
  'subscription ($id: ID!, $secret: String!) { blockpassSignIn(id: $id, secret: $secret) { state } }';

/**
 * Close codes of a socket: refused because the gateway is busy, and a hello that came too late (graphql-transport-ws).
 */
const TOO_LATE = [1013, 4408];

/** The gateway refused an operation because it was busy. */
export class Busy extends Error {}

interface Reply {
  readonly data: Record<string, never> | null;
  readonly code: string | undefined;
}
interface Tokens {
  accessToken: string;
  refreshToken: string;
  /** Milliseconds since the epoch. */
  accessEnds: number;
  sessionEnds: number;
}

/** A client with its own IP, so that the limits of one IP apply to it. */
export class Person {
  readonly #url: string;
  readonly #username: string;
  readonly #address: string;
  #tokens: Tokens | undefined;

  private constructor(url: string, username: string, address: string) {
    this.#url = url;
    this.#username = username;
    this.#address = address;
  }

  /** @param number below 65,000, from which the IP is made */
  static async register(url: string, number: number): Promise<Person> {
    const username = `soak${randomBytes(6).toString('hex')}`;
    const person = new Person(url, username, `10.7.${number >> 8}.${number & 255}`);
    const email = `${username}@example.test`;
    expectNone(await person.#ask(REGISTER, { username, email, password: PASSWORD }));
    return person;
  }

  /** Returns tokens that stay valid for a while. Signs in or refreshes if needed. */
  async #bearer(): Promise<Tokens> {
    const tokens = this.#tokens;
    if (!tokens || tokens.sessionEnds < Date.now() + EARLY) return this.login();
    return tokens.accessEnds < Date.now() + EARLY ? this.refresh() : tokens;
  }

  async login(): Promise<Tokens> {
    const reply = await this.#ask(LOGIN, { username: this.#username, password: PASSWORD });
    return this.#keep(reply, 'login');
  }

  async refresh(): Promise<Tokens> {
    const tokens = this.#tokens;
    if (!tokens || tokens.sessionEnds < Date.now() + EARLY) return this.login();
    // Without an answer it is unknown whether the token was used, and half a minute later it would look stolen.
    this.#tokens = undefined;
    return this.#keep(await this.#ask(REFRESH, { token: tokens.refreshToken }), 'refresh');
  }

  async me(): Promise<void> {
    const { accessToken } = await this.#bearer();
    expectNone(await this.#ask(ME, {}, accessToken));
  }

  async logout(): Promise<void> {
    const { refreshToken } = await this.#bearer();
    this.#tokens = undefined;
    expectNone(await this.#ask(LOGOUT, { token: refreshToken }));
  }

  async wrongPassword(): Promise<void> {
    const wrong = { username: this.#username, password: 'plum orchard viola' };
    // An account allows ten of them in half an hour.
    expectCode(await this.#ask(LOGIN, wrong), 'INVALID_CREDENTIALS', 'RATE_LIMITED');
  }

  async rejectedDocument(): Promise<void> {
    expectCode(await this.#ask(TOO_DEEP), 'GRAPHQL_VALIDATION_FAILED');
  }

  async recover(): Promise<void> {
    const reply = await this.#ask(RECOVER, { email: `${this.#username}@example.test` });
    if (reply.code !== 'RATE_LIMITED') expectNone(reply);
  }

  async ready(): Promise<void> {
    const response = await fetch(new URL('/health/ready', this.#url), {
      signal: AbortSignal.timeout(PATIENCE),
    });
    await response.arrayBuffer();
    if (response.status === 503) throw new Busy('/health/ready');
    if (response.status !== 200) throw new Error(`/health/ready says ${response.status}`);
  }

  /**
   * Receives the state of a sign-in once. Half of the clients disconnect without a close, like a phone that loses its
   * network.
   */
  async subscription(): Promise<void> {
    const reply = await this.#ask(START);
    expectNone(reply);
    const variables = reply.data?.startBlockpassSignIn;
    const socket = new WebSocket(this.#url.replace('http', 'ws'), 'graphql-transport-ws', {
      headers: { 'x-forwarded-for': this.#address },
      handshakeTimeout: PATIENCE,
    });
    const patience = setTimeout(() => socket.terminate(), PATIENCE);
    const heard: string[] = [];
    const closed = once(socket, 'close');
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })));
    socket.on('error', (error) => heard.push(String(error)));
    socket.on('message', (data) => {
      const { type } = JSON.parse(String(data)) as { type: string };
      heard.push(type);
      if (type === 'connection_ack') {
        socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: WATCH, variables } }));
      } else if (type === 'next' && Math.random() < 0.5) {
        socket.terminate();
      } else {
        socket.close();
      }
    });
    const [code] = (await closed) as [number];
    clearTimeout(patience);
    if (TOO_LATE.includes(code)) throw new Busy(`a socket was closed with ${code}`);
    if (!heard.join().startsWith('connection_ack,next'))
      throw new Error(`a socket heard ${heard.join() || 'nothing'}`);
  }

  #keep({ data, code }: Reply, field: string): Tokens {
    const got = data?.[field] as
      | { accessToken: string; refreshToken: string; expiresIn: number; session: { expiresAt: string } }
      | undefined;
    if (!got) throw new Error(`${field} was refused: ${code}`);
    this.#tokens = {
      accessToken: got.accessToken,
      refreshToken: got.refreshToken,
      accessEnds: Date.now() + got.expiresIn * 1000,
      sessionEnds: Date.parse(got.session.expiresAt),
    };
    return this.#tokens;
  }

  async #ask(query: string, variables: object = {}, bearer?: string): Promise<Reply> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-forwarded-for': this.#address,
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(PATIENCE),
    });
    const { data = null, errors } = (await response.json()) as {
      data?: Reply['data'];
      errors?: { extensions?: { code?: string } }[];
    };
    const code = errors?.[0]?.extensions?.code;
    // 408: the headers or body of the request came too late.
    if (code === 'SERVICE_UNAVAILABLE' || response.status === 408) throw new Busy(code);
    return { data, code };
  }
}

function expectNone({ code }: Reply): void {
  if (code !== undefined) throw new Error(`refused with ${code}`);
}

function expectCode({ code }: Reply, ...expected: string[]): void {
  if (code === undefined || !expected.includes(code)) throw new Error(`${code} instead of ${expected}`);
}
