/** @timing: stalls a process for longer than a request may wait, and expects others to be served in time */
/** @topology one: tests requests in the sockets of one process that stood still */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { print } from 'graphql';
import { TestGateway } from '../support/gateway.ts';
import { GatewayPair } from '../support/gateway-pair.ts';
import { LogoutDocument, RefreshDocument, UpdateProfileDocument } from '../support/generated/operations.ts';
import { elapse, eventually } from '../support/race.ts';
import { STORES } from '../support/session-stores.ts';
import { Subject } from '../support/subject.ts';

/** The smallest allowed value, so that stalls can be short. */
const SETTINGS = { REQUEST_MAX_AGE_SECONDS: '1' };
const STALL = 2_500;
/** Milliseconds after a stall in which requests still count as old, and a margin. */
const AFTERMATH = 400;

/** A kept connection without any layer between a write and the kernel. */
class RawConnection {
  text = '';
  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.text += String(chunk);
    });
    socket.on('error', () => {});
  }

  static async open(url: string): Promise<RawConnection> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    return new RawConnection(socket);
  }

  get(path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  }

  /** @param pause milliseconds in the middle of the body */
  async post(body: unknown, { bearer = '', pause = 0, path = '/graphql' } = {}): Promise<void> {
    const text = JSON.stringify(body);
    const authorization = bearer === '' ? '' : `Authorization: Bearer ${bearer}\r\n`;
    this.socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${authorization}Content-Length: ${text.length}\r\n\r\n${text.slice(0, 9)}`,
    );
    if (pause > 0) await elapse(pause, 'the time that the body takes');
    this.socket.write(text.slice(9));
  }

  /** @returns status, error code and Retry-After of the next answer. */
  async answer(): Promise<{ status: number; code?: string; retryAfter?: string; text: string }> {
    const text = await eventually(
      async () => this.text,
      (all) => /\r\n\r\n./s.test(all),
    );
    this.text = '';
    const code = /"code":"(\w+)"/.exec(text)?.[1];
    const retryAfter = /retry-after: (\d+)/i.exec(text)?.[1];
    return {
      status: Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1]),
      ...(code !== undefined && { code }),
      ...(retryAfter !== undefined && { retryAfter }),
      text,
    };
  }

  close(): void {
    this.socket.destroy();
  }
}

const TOO_OLD = { status: 503, code: 'SERVICE_UNAVAILABLE', retryAfter: '1' };
const refreshOf = (refreshToken: string) => ({ query: print(RefreshDocument), variables: { refreshToken } });

describe.each(STORES)('a process that stood still (sessions in %s)', (store) => {
  let pair: GatewayPair;
  beforeAll(async () => {
    // Without a grace, a late refresh would end its session.
    pair = await GatewayPair.startOn(store, { ...SETTINGS, REFRESH_GRACE_SECONDS: '0' });
  }, 120_000);
  afterAll(() => pair.close());

  it('refuses the refreshes that waited in its sockets, and their sessions stay alive', async () => {
    const [one, two] = pair.clients;
    const alice = await Subject.register(one);
    const sessions = [];
    for (let n = 0; n < 40; n += 1) sessions.push(await alice.signedIn());
    const [kept, ...others] = sessions;
    const established = await RawConnection.open(one.url);
    established.get('/health/live');
    expect((await established.answer()).status).toBe(200);

    pair.stall(0);
    await established.post(refreshOf(kept?.refreshToken ?? ''));
    // Each turn of the event loop accepts one connection, so the refreshes behind these wait longer.
    const before = await Promise.all(Array.from({ length: 1_500 }, () => RawConnection.open(one.url)));
    for (const connection of before) connection.get('/graphql?query={errorCodes{code}}');
    const waiting = await Promise.all(others.map(() => RawConnection.open(one.url)));
    await Promise.all(
      waiting.map((connection, n) => connection.post(refreshOf(others[n]?.refreshToken ?? ''))),
    );
    const probe = await RawConnection.open(one.url);
    probe.get('/health/live');
    await elapse(STALL, 'how long the process stands still');
    // Meanwhile the client refreshed at the other process.
    const goneOn = await alice.refresh(kept?.refreshToken ?? '', two);
    pair.goOn(0);

    const answers = await Promise.all([established, ...waiting].map((connection) => connection.answer()));
    await elapse(AFTERMATH, 'requests count as old for a while after a stall');
    expect(answers.filter(({ status, code }) => status !== 503 || code !== TOO_OLD.code)).toEqual([]);
    expect(answers[0]).toMatchObject(TOO_OLD);
    expect((await probe.answer()).status).toBe(200);
    for (const connection of [established, probe, ...before, ...waiting]) connection.close();

    expect(await pair.sessions.count(alice.id)).toBe(40);
    for (const { sessionId } of others) {
      expect(await pair.sessions.generation(alice.id, sessionId)).toBe(0);
    }
    for (const refreshToken of [
      goneOn.data?.refresh.refreshToken,
      ...others.slice(0, 3).map((session) => session.refreshToken),
    ]) {
      expect((await alice.refresh(refreshToken ?? '', one)).errors).toEqual([]);
    }
  }, 60_000);

  it('refuses other mutations too, and accepts new ones half a second later', async () => {
    const [one] = pair.clients;
    const alice = await Subject.register(one);
    const { accessToken } = await alice.signedIn();
    const connection = await RawConnection.open(one.url);
    connection.get('/health/live');
    await connection.answer();
    pair.stall(0);
    await connection.post({ query: print(LogoutDocument) }, { bearer: accessToken });
    await elapse(STALL, 'how long the process stands still');
    pair.goOn(0);
    expect(await connection.answer()).toMatchObject(TOO_OLD);
    connection.close();
    await elapse(AFTERMATH, 'requests count as old for a while after a stall');
    expect((await alice.me(accessToken)).data?.me?.username).toBe(alice.username);
    expect((await one.execute(LogoutDocument, {}, { bearer: accessToken })).status).toBe(200);
  });
});

describe.each(STORES)(
  'a process that stood still for less than the maximum age of a request (%s)',
  (store) => {
    let pair: GatewayPair;
    beforeAll(async () => {
      pair = await GatewayPair.startOn(store);
    }, 120_000);
    afterAll(() => pair.close());

    it('does not treat a late refresh as theft, but treats its repetition as theft', async () => {
      const [one, two] = pair.clients;
      const alice = await Subject.register(one);
      const { refreshToken, sessionId } = await alice.signedIn();
      const connection = await RawConnection.open(one.url);
      connection.get('/health/live');
      await connection.answer();

      pair.stall(0);
      await connection.post(refreshOf(refreshToken));
      const second = await alice.refresh(refreshToken, two);
      const third = await alice.refresh(second.data?.refresh.refreshToken ?? '', two);
      await elapse(STALL, 'how long the process stands still');
      pair.goOn(0);
      expect(await connection.answer()).toMatchObject(TOO_OLD);
      connection.close();
      expect(await pair.sessions.generation(alice.id, sessionId)).toBe(2);
      const fourth = await alice.refresh(third.data?.refresh.refreshToken ?? '', one);
      expect(fourth.errors).toEqual([]);

      await elapse(AFTERMATH, 'requests count as old for a while after a stall');
      expect((await alice.refresh(refreshToken, one)).code).toBe('INVALID_REFRESH_TOKEN');
      expect(await pair.sessions.count(alice.id)).toBe(0);
    });

    it('treats a copied token as theft, however slowly its body arrives', async () => {
      const [one] = pair.clients;
      const alice = await Subject.register(one);
      const { refreshToken } = await alice.signedIn();
      const second = await alice.refresh(refreshToken, one);
      await alice.refresh(second.data?.refresh.refreshToken ?? '', one);
      const connection = await RawConnection.open(one.url);
      await connection.post(refreshOf(refreshToken), { pause: STALL });
      expect((await connection.answer()).code).toBe('INVALID_REFRESH_TOKEN');
      connection.close();
      expect(await pair.sessions.count(alice.id)).toBe(0);
    });
  },
);

describe('the age of a request', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start(SETTINGS);
  });
  afterAll(() => gateway.close());

  it('counts the time that the event loop was busy', async () => {
    const alice = await gateway.aSubject();
    const { refreshToken, sessionId } = await alice.signedIn();
    const connection = await RawConnection.open(gateway.url);
    connection.get('/health/live');
    await connection.answer();
    await connection.post(refreshOf(refreshToken));
    // This process is the gateway too.
    const until = performance.now() + STALL;
    while (performance.now() < until);
    expect(await connection.answer()).toMatchObject(TOO_OLD);
    await elapse(AFTERMATH, 'requests count as old for a while after a stall');
    expect(await gateway.sessions.generation(alice.id, sessionId)).toBe(0);
    connection.close();
  });

  it('applies to calls of the Blockpass app, and not to routes that answer at any age', async () => {
    const connections = await Promise.all([1, 2, 3].map(() => RawConnection.open(gateway.url)));
    for (const connection of connections) connection.get('/health/live');
    for (const connection of connections) await connection.answer();
    const [app, probe, keys] = connections;
    await app?.post({ code: 'x' }, { path: '/blockpass/api/status' });
    probe?.get('/health/ready');
    keys?.get('/.well-known/jwks.json');
    const until = performance.now() + STALL;
    while (performance.now() < until);
    expect(await app?.answer()).toMatchObject({ status: 503, retryAfter: '1' });
    expect((await probe?.answer())?.status).toBe(200);
    expect((await keys?.answer())?.status).toBe(200);
    for (const connection of connections) connection.close();
    await elapse(AFTERMATH, 'requests count as old for a while after a stall');
  });

  it('counts the time until the body has arrived', async () => {
    const alice = await gateway.aSubject();
    const { refreshToken, sessionId } = await alice.signedIn();
    const connection = await RawConnection.open(gateway.url);
    await connection.post(refreshOf(refreshToken), { pause: 1_300 });
    expect(await connection.answer()).toMatchObject(TOO_OLD);
    expect(await gateway.sessions.generation(alice.id, sessionId)).toBe(0);
    connection.close();
  });

  it('counts waiting for a lock: work that has not begun in time is not done', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const blocker = await gateway.database.connect();
    await blocker.query('begin');
    await blocker.query('select from users where id = $1 for update', [alice.id]);
    try {
      const startedAt = performance.now();
      const input = { displayName: 'too late' };
      const reply = await gateway.client.execute(UpdateProfileDocument, { input }, { bearer: accessToken });
      expect([reply.status, reply.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
      // The timeout for a lock is three seconds.
      expect(performance.now() - startedAt).toBeLessThan(2_500);
    } finally {
      await blocker.query('rollback');
      await blocker.end();
    }
    expect((await alice.me(accessToken)).text).not.toContain('too late');
  });

  it('does not count the time that its connection was open before', async () => {
    const alice = await gateway.aSubject();
    const { refreshToken } = await alice.signedIn();
    const connection = await RawConnection.open(gateway.url);
    await elapse(1_500, 'the connection is older than a request may become');
    await connection.post(refreshOf(refreshToken));
    expect((await connection.answer()).status).toBe(200);
    connection.close();
  });

  it('stays small while the event loop is busy, on kept and on new connections', async () => {
    const { accessToken } = await (await gateway.aSubject()).signedIn();
    const until = performance.now() + 3_000;
    const body = { query: 'mutation { revokeOtherSessions }' };
    const statuses = new Map<number, number>();
    const note = (status: number) => statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const kept = async () => {
      const connection = await RawConnection.open(gateway.url);
      while (performance.now() < until) {
        await connection.post(body, { bearer: accessToken });
        note((await connection.answer()).status);
      }
      connection.close();
    };
    const fresh = async () => {
      while (performance.now() < until) {
        const connection = await RawConnection.open(gateway.url);
        await connection.post(body, { bearer: accessToken });
        note((await connection.answer()).status);
        connection.close();
      }
    };
    const busy = async () => {
      while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
    };
    await Promise.all([busy(), ...Array.from({ length: 8 }, kept), ...Array.from({ length: 8 }, fresh)]);
    expect([...statuses.keys()]).toEqual([200]);
  }, 20_000);
});
