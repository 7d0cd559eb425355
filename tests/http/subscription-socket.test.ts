import { once } from 'node:events';
import type { Socket as NetSocket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { TestGateway } from '../support/gateway.ts';
import { elapse, eventually } from '../support/race.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({ CLIENT_ORIGIN: 'https://app.example.test' });
});
afterAll(() => gateway.close());

interface Message {
  type: string;
  id?: string;
  payload?: unknown;
}

/** A client that can also break the protocol. */
class Socket {
  readonly messages: Message[] = [];
  readonly closed: Promise<number>;

  private constructor(readonly ws: WebSocket) {
    ws.on('message', (data) => this.messages.push(JSON.parse(String(data)) as Message));
    this.closed = new Promise((resolve) => ws.on('close', resolve));
  }

  static async open(
    options: {
      headers?: Record<string, string>;
      hello?: unknown;
      authorization?: string;
      protocol?: string;
      url?: string;
    } = {},
  ): Promise<Socket> {
    const { headers = {}, authorization, protocol = 'graphql-transport-ws', url = gateway.url } = options;
    const ws = new WebSocket(`${url.replace('http', 'ws')}/graphql`, protocol, { headers });
    const socket = new Socket(ws);
    await new Promise((resolve, reject) => ws.on('open', resolve).on('error', reject));
    if ('hello' in options) return socket;
    socket.send({ type: 'connection_init', ...(authorization && { payload: { authorization } }) });
    await socket.heard('connection_ack');
    return socket;
  }

  send(message: unknown): void {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  heard(type: string): Promise<Message | undefined> {
    return eventually(
      async () => this.messages.find((message) => message.type === type),
      (message) => message !== undefined,
    );
  }

  /** @returns the code of the first error in the answer. */
  async ask(query: string, variables: unknown = {}): Promise<unknown> {
    const id = String(this.messages.length + Math.random());
    this.send({ id, type: 'subscribe', payload: { query, variables } });
    const answer = await eventually(
      async () => this.messages.find((message) => message.id === id),
      (message) => message !== undefined,
    );
    const payload = answer?.payload as { errors?: unknown[] } | unknown[];
    const [error] = (Array.isArray(payload) ? payload : (payload.errors ?? [])) as {
      extensions?: { code?: unknown };
    }[];
    return error?.extensions?.code;
  }

  close(): void {
    this.ws.close();
  }
}

const refused = async (headers: Record<string, string>): Promise<string> =>
  Socket.open({ headers }).then(
    () => 'opened',
    (error: Error) => error.message,
  );

describe('the WebSocket', () => {
  it('opens only for the origins that HTTP allows', async () => {
    expect(await refused({ origin: 'https://evil.example.test' })).toMatch(/403/);
    expect(await refused({ origin: 'null' })).toMatch(/403/);
    for (const origin of ['https://app.example.test', 'http://localhost:4000']) {
      (await Socket.open({ headers: { origin } })).close();
    }
    expect(await refused({ cookie: 'gatehouse_access=x', 'sec-fetch-site': 'cross-site' })).toMatch(/403/);
  });

  it('runs only subscriptions', async () => {
    const socket = await Socket.open();
    expect(await socket.ask('{ errorCodes { code } }')).toBe('OPERATION_RESOLUTION_FAILURE');
    expect(await socket.ask('mutation { startBlockpassSignIn { id } }')).toBe('OPERATION_RESOLUTION_FAILURE');
    expect(await socket.ask('subscription { nothing }')).toBe('GRAPHQL_VALIDATION_FAILED');
    expect(await socket.ask('subscription {')).toBe('GRAPHQL_PARSE_FAILED');
    expect(await socket.ask('subscription { blockpassSignIn(id: "x") { state } }')).toBe('NOT_FOUND');
    const query = 'subscription ($id: ID!) { blockpassSignIn(id: $id) { state } }';
    expect(await socket.ask(query, { id: { a: 1 } })).toBe('BAD_USER_INPUT');
    expect(await socket.ask(`subscription { ${'a '.repeat(3_000)} }`)).toBe('GRAPHQL_PARSE_FAILED');
    // graphql-js throws these errors during validation.
    for (const directive of ['@skip', '@skip(if: $flag)', '@include(if: "x")']) {
      const skipped = `subscription ($flag: Boolean!) { blockpassSignIn(id: "x") ${directive} { state } }`;
      expect(await socket.ask(skipped)).toBe('GRAPHQL_VALIDATION_FAILED');
      const reply = await gateway.client.raw(skipped);
      expect([reply.status, reply.code]).toEqual([400, 'GRAPHQL_VALIDATION_FAILED']);
    }
    socket.close();
  });

  it('is the only transport for subscriptions', async () => {
    const query = 'subscription { blockpassSignIn(id: "x") { state } }';
    expect(await gateway.client.raw(query)).toMatchObject({
      status: 400,
      code: 'OPERATION_RESOLUTION_FAILURE',
      errors: [{ message: expect.stringContaining('run over a WebSocket') }],
    });
  });

  it('logs its refusals, as HTTP does', async () => {
    const before = gateway.logLines.length;
    const socket = await Socket.open();
    await socket.ask('subscription { nothing }');
    await socket.ask('subscription { first: blockpassSignIn(id: "x") { state } }');
    const refusals = gateway.logLines
      .slice(before)
      .map((line) => JSON.parse(line) as { msg: string; code?: string; field?: string })
      .filter(({ msg }) => msg === 'an operation was refused');
    expect(refusals.map(({ code, field }) => [code, field])).toEqual([
      ['GRAPHQL_VALIDATION_FAILED', undefined],
      ['NOT_FOUND', 'blockpassSignIn'],
    ]);
    socket.close();
  });

  it('does not reveal the schema in errors when introspection is off', async () => {
    const closed = await gateway.another({ GRAPHQL_INTROSPECTION: 'false' });
    const socket = await Socket.open({ url: closed.url });
    await socket.ask('subscription { blockpassSignI(id: "x") { state } }');
    expect(JSON.stringify(socket.messages)).not.toMatch(/Did you mean|blockpassSignIn\b/);
    socket.close();
    await closed.close();
  });

  it('closes on a client that is silent, sends before the handshake, is malformed or sends too much', async () => {
    const silent = await Socket.open({ hello: null });
    expect(await silent.closed).toBe(4408);
    const early = await Socket.open({ hello: null });
    early.send({
      id: '1',
      type: 'subscribe',
      payload: { query: 'subscription { blockpassSignIn(id: "x") { id } }' },
    });
    expect(await early.closed).toBe(4401);
    const babble = await Socket.open();
    babble.send('not json');
    expect(await babble.closed).toBe(4400);
    const loud = await Socket.open();
    loud.send(`"${'x'.repeat(17 * 1024)}"`);
    expect(await loud.closed).toBe(1009);
  });

  it('is closed when its client sends without pause, for every kind of message', async () => {
    const before = gateway.logLines.length;
    const ping = JSON.stringify({ type: 'ping' });
    const talkative = await Socket.open();
    for (let count = 0; count < 300; count += 1) talkative.send(ping);
    // The client gets the reason, unless its own messages arrive first.
    expect([4400, 1006]).toContain(await talkative.closed);
    expect(talkative.messages.filter(({ type }) => type === 'pong').length).toBeLessThan(101);
    for (const kind of ['ping', 'pong'] as const) {
      const { ws, closed } = await Socket.open();
      for (let count = 0; count < 300; count += 1) ws[kind]();
      expect([4400, 1006]).toContain(await closed);
    }
    const reasons = gateway.logLines.slice(before).filter((line) => line.includes('Too many messages'));
    expect(reasons).toHaveLength(3);
    // A client that sends often, but within the limit, is served.
    const lively = await Socket.open();
    for (let count = 0; count < 60; count += 1) lively.send(ping);
    expect(await lively.ask('subscription { nothing }')).toBe('GRAPHQL_VALIDATION_FAILED');
    lively.close();
  });

  it('is closed when its client does not read answers, which are not kept in memory', async () => {
    const { accessToken } = await (await gateway.aSubject()).signedIn();
    const deaf = await Socket.open({ authorization: `Bearer ${accessToken}` });
    const { clients } = gateway.gateway.app.websocketServer;
    const before = clients.size;
    (deaf.ws as unknown as { _socket: NetSocket })._socket.pause();
    const ping = JSON.stringify({ type: 'ping', payload: { long: 'x'.repeat(15_000) } });
    // Sends as much as a second allows, until the send buffer of the system is full.
    for (let second = 0; second < 14 && clients.size === before; second += 1) {
      for (let count = 0; count < 80; count += 1) deaf.send(ping);
      await elapse(1_000, 'the limit of messages is one for each second');
    }
    expect(clients.size).toBe(before - 1);
    deaf.ws.terminate();
  }, 60_000);

  it('that started with a token ends with it, by logout or expiry', async () => {
    const subject = await gateway.aSubject();
    const open = async (accessToken: string) => {
      const socket = await Socket.open({ hello: null });
      socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${accessToken}` } });
      await socket.heard('connection_ack');
      return socket;
    };
    const first = await subject.signedIn();
    const socket = await open(first.accessToken);
    await gateway.client.raw('mutation { logout }', {}, { bearer: first.accessToken });
    expect(await socket.closed).toBe(4401);

    const cookie = `gatehouse_access=${(await subject.signedIn()).accessToken}`;
    const byCookie = await Socket.open({ headers: { cookie, origin: 'http://localhost:4000' } });
    const anonymous = await Socket.open();
    gateway.clock.advance(3_601);
    expect(await byCookie.closed).toBe(4401);
    await elapse(1_200, 'longer than the second between two polls, in which it must not be closed');
    expect(anonymous.ws.readyState).toBe(WebSocket.OPEN);
    anonymous.close();
    gateway.clock.advance(-3_601);
  });

  it('that starts with a token is told to retry while revocations are too stale to judge the session', async () => {
    const strict = await gateway.another({ REVOCATION_MAX_STALENESS_SECONDS: '1' });
    const { accessToken } = await (await gateway.aSubject()).signedIn();
    const owner = await gateway.database.connect();
    await owner.query('begin');
    await owner.query('lock table ending in access exclusive mode');
    try {
      await eventually(
        () => strict.client.raw('{ me { id } }', {}, { bearer: accessToken }),
        ({ code }) => code === 'SERVICE_UNAVAILABLE',
      );
      const socket = await Socket.open({ url: strict.url, hello: null });
      socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${accessToken}` } });
      expect(await socket.closed).toBe(1013);
      expect(socket.messages).toEqual([]);
    } finally {
      await owner.query('rollback');
      await owner.end();
    }
    expect(strict.logLines.filter((line) => line.includes('"field":"socket"'))).toEqual([]);
    await strict.close();
  });

  it('logs no error of its own when a client breaks the protocol or disconnects in the middle', async () => {
    const faulty = await Socket.open();
    faulty.send(`"${'x'.repeat(17 * 1024)}"`);
    await faulty.closed;
    const leaving = async () => {
      const socket = await Socket.open();
      const query = 'subscription { blockpassSignIn(id: "x") { state } }';
      for (let id = 0; id < 9; id += 1) socket.send({ id: `${id}`, type: 'subscribe', payload: { query } });
      await once(socket.ws, 'message');
      // A reset, after which writes fail.
      (socket.ws as unknown as { _socket: NetSocket })._socket.resetAndDestroy();
    };
    const others = gateway.gateway.app.websocketServer.clients.size;
    await Promise.all(Array.from({ length: 30 }, leaving));
    await eventually(
      async () => gateway.gateway.app.websocketServer.clients.size,
      (count) => count <= others,
    );
    expect(gateway.logLines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });

  it('exists only at /graphql, and an attempt elsewhere leaves no query string in the log', async () => {
    for (const path of ['/health/live', '/.well-known/jwks.json', '/nowhere']) {
      const ws = new WebSocket(`${gateway.url.replace('http', 'ws')}${path}?access_token=marked-token`);
      const [error] = (await once(ws, 'error')) as [Error];
      expect(error.message).toMatch(/404/);
    }
    expect(gateway.logLines.join('')).not.toContain('marked-token');
  });

  it('is limited in number for one IP', async () => {
    const limited = await gateway.another({ RATE_LIMIT: 'on', RATE_LIMIT_RULES: 'socket.ip=2/3600' });
    const sockets = await Promise.all([1, 2, 3].map(() => Socket.open({ url: limited.url, hello: null })));
    expect(await Promise.race(sockets.map(({ closed }) => closed))).toBe(1013);
    for (const socket of sockets) socket.close();
    await limited.close();
  });

  it('counts IPv4 clients separately, also when their IP is mapped into IPv6', async () => {
    const limited = await gateway.another({
      RATE_LIMIT: 'on',
      RATE_LIMIT_RULES: 'socket.ip=1/3600',
      TRUSTED_PROXIES: '127.0.0.0/8',
    });
    const from = (address: string) =>
      Socket.open({ url: limited.url, headers: { 'x-forwarded-for': address }, hello: null });
    const [first, neighbour] = [await from('::ffff:198.51.100.1'), await from('::ffff:198.51.100.2')];
    neighbour.send({ type: 'connection_init' });
    expect(await neighbour.heard('connection_ack')).toBeDefined();
    expect(await (await from('198.51.100.1')).closed).toBe(1013);
    for (const socket of [first, neighbour]) socket.close();
    await limited.close();
  });

  it('leaves places for others, however many sockets one network opens', async () => {
    const proxied = await gateway.another({
      TRUSTED_PROXIES: '127.0.0.0/8',
      MAX_WEBSOCKETS_PER_CLIENT: '100',
    });
    const from = (address: string) =>
      Socket.open({ url: proxied.url, headers: { 'x-forwarded-for': address }, hello: null });
    const greedy = await Promise.all(
      Array.from({ length: 100 }, (_, host) => from(`2001:db8::${host.toString(16)}`)),
    );
    expect(await (await from('2001:db8::ffff')).closed).toBe(1013);
    const neighbour = await from('2001:db8:0:1::1');
    neighbour.send({ type: 'connection_init' });
    expect(await neighbour.heard('connection_ack')).toBeDefined();
    greedy[0]?.close();
    await greedy[0]?.closed;
    const next = await from('2001:db8::ffff');
    next.send({ type: 'connection_init' });
    expect(await next.heard('connection_ack')).toBeDefined();
    for (const socket of [...greedy, neighbour, next]) socket.close();
    await proxied.close();
  });

  it('leaves places for others, however many sockets one account opens from several networks', async () => {
    const bounded = await gateway.another({
      TRUSTED_PROXIES: '127.0.0.0/8',
      MAX_WEBSOCKETS_PER_ACCOUNT: '2',
    });
    const [greedy, other] = await Promise.all(
      [1, 2].map(async () => (await (await gateway.aSubject()).signedIn()).accessToken),
    );
    const from = async (network: number, authorization?: string) => {
      const headers = { 'x-forwarded-for': `198.51.100.${network}` };
      const socket = await Socket.open({ url: bounded.url, headers, hello: null });
      socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${authorization}` } });
      return socket;
    };
    const held = [await from(1, greedy), await from(2, greedy)];
    for (const socket of held) expect(await socket.heard('connection_ack')).toBeDefined();
    expect(await (await from(3, greedy)).closed).toBe(1013);
    const neighbour = await from(1, other);
    expect(await neighbour.heard('connection_ack')).toBeDefined();
    held[0]?.close();
    await held[0]?.closed;
    const next = await from(3, greedy);
    expect(await next.heard('connection_ack')).toBeDefined();
    for (const socket of [held[1], neighbour, next]) socket?.close();
    await bounded.close();
  });

  it('leaves places for others and for signed-in callers, however many sockets one /48 opens', async () => {
    const attacked = await gateway.another({ TRUSTED_PROXIES: '127.0.0.0/8', MAX_CONNECTIONS: '2000' });
    const from = (address: string, authorization?: string) =>
      Socket.open({
        url: attacked.url,
        headers: { 'x-forwarded-for': address },
        ...(authorization !== undefined && { authorization }),
      });
    const { accessToken } = await (await gateway.aSubject()).signedIn();
    const attackers: WebSocket[] = [];
    const attack = (async () => {
      for (let n = 0; n < 2_000; n += 1) {
        const ws = new WebSocket(`${attacked.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
          headers: { 'x-forwarded-for': `2001:db8:1:${(n % 20).toString(16)}00::${n.toString(16)}` },
        });
        ws.on('open', () => ws.send(JSON.stringify({ type: 'connection_init' }))).on('error', () => {});
        attackers.push(ws);
        if (n % 100 === 99) await Promise.race([once(ws, 'open'), once(ws, 'close')]);
      }
    })();
    for (let turn = 0; turn < 10; turn += 1) {
      const neighbour = await from(`2001:db8:2:${turn}::1`);
      const inTheOffice = await from(`192.0.2.${turn}`, `Bearer ${accessToken}`);
      expect([neighbour.ws.readyState, inTheOffice.ws.readyState]).toEqual([WebSocket.OPEN, WebSocket.OPEN]);
      // The gateway holds three quarters of 500, and those that are being refused.
      expect((await fetch(`${attacked.url}/health/ready`)).status).toBe(200);
      neighbour.close();
      inTheOffice.close();
      await elapse(100, 'the pace of the neighbours, while the attack goes on');
    }
    await attack;
    const held = () => attackers.filter(({ readyState }) => readyState === WebSocket.OPEN).length;
    expect(
      await eventually(
        async () => held(),
        (count) => count <= 375,
      ),
    ).toBeGreaterThan(0);
    // These sockets send nothing more, so none of them stays.
    expect(
      await eventually(
        async () => held(),
        (count) => count === 0,
        { withinMilliseconds: 15_000 },
      ),
    ).toBe(0);
    await attacked.close();
  }, 60_000);

  it('without a credential and without a subscription is closed after five seconds', async () => {
    const subject = await gateway.aSubject();
    const { accessToken } = await subject.signedIn();
    const anonymous = await Socket.open();
    const signedIn = await Socket.open({ authorization: `Bearer ${accessToken}` });
    const before = performance.now();
    // An invalid subscription does not extend the time.
    await anonymous.ask('subscription { blockpassSignIn(id: "x") { state } }');
    expect(await anonymous.closed).toBe(1000);
    expect(performance.now() - before).toBeLessThan(7_000);
    await elapse(500, 'the other socket began at nearly the same time, so it would be closed by now');
    expect(signedIn.ws.readyState).toBe(WebSocket.OPEN);
    signedIn.close();
  }, 20_000);

  it('accepts only the protocol graphql-transport-ws, from the first client on', async () => {
    const fresh = await gateway.another();
    const ws = new WebSocket(`${fresh.url.replace('http', 'ws')}/graphql`, [
      'graphql-ws',
      'graphql-transport-ws',
    ]);
    await once(ws, 'open');
    expect(ws.protocol).toBe('graphql-transport-ws');
    ws.close();
    await fresh.close();
  });

  it('of a client that does not answer does not delay the stop of the gateway', async () => {
    const stopping = await gateway.another();
    const socket = await Socket.open({ url: stopping.url });
    const { _socket: connection } = socket.ws as unknown as { _socket: NetSocket };
    connection.pause();
    const before = performance.now();
    await stopping.close();
    expect(performance.now() - before).toBeLessThan(8_000);
    socket.ws.terminate();
  });

  it('closes when the gateway stops', async () => {
    const stopping = await gateway.another();
    const socket = await Socket.open({ url: stopping.url });
    await stopping.close();
    expect([1000, 1001, 1005, 1006]).toContain(await socket.closed);
  });
});
