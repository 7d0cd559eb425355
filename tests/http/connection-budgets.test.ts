/** @topology one: counts what one process holds at once */
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { idleAllowance, peersIn } from '../../src/http/connection-places.ts';
import { TestGateway } from '../support/gateway.ts';
import { elapse, eventually } from '../support/race.ts';

let gateway: TestGateway;
const extra: TestGateway[] = [];
const open: TestConnection[] = [];

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterEach(async () => {
  for (const { socket } of open.splice(0)) socket.destroy();
  for (const other of extra.splice(0)) await other.close();
});
afterAll(() => gateway.close());

const GET = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n';
/** A request whose body never arrives. */
const POST =
  'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{';
/** A page of a megabyte, requested so often that the answers fill the send buffer of the system. */
const UNREAD = 'GET /graphiql HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(12);
/** Milliseconds in which no connection is closed to make room, and a margin. */
const GRACE = 1_200;
const NOT_CLOSED_YET = 'until then no connection is closed for another one';

/** A connection from its own IP, kept alive. */
class TestConnection {
  answers = 0;
  isOpen = false;

  private constructor(
    readonly socket: Socket,
    private readonly request: string,
  ) {
    socket.on('data', (chunk) => {
      this.answers += String(chunk).split('HTTP/1.1 200').length - 1;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isOpen = false;
    });
  }

  /** Resolves after the first request was sent and the gateway had time to refuse. */
  static async open(at: TestGateway, localAddress: string, request = GET): Promise<TestConnection> {
    const socket = connect({ port: Number(new URL(at.url).port), host: '127.0.0.1', localAddress });
    const connection = new TestConnection(socket, request);
    open.push(connection);
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.once('connect', () => {
        connection.isOpen = true;
        connection.ask();
        if (request === UNREAD) socket.pause();
        if (request === GET) socket.once('data', () => resolve());
        else void elapse(100, 'there is no answer that would tell that the gateway kept it').then(resolve);
      });
    });
    return connection;
  }

  ask(): void {
    this.socket.write(this.request);
  }
}

const openMany = async (at: TestGateway, count: number, addressOf: (n: number) => string, request = GET) => {
  const all: TestConnection[] = [];
  while (all.length < count) {
    const batch = Array.from({ length: Math.min(200, count - all.length) }, (_, n) =>
      TestConnection.open(at, addressOf(all.length + n), request),
    );
    all.push(...(await Promise.all(batch)));
  }
  return all;
};
const stillOpen = (connections: readonly TestConnection[]) =>
  connections.filter(({ isOpen }) => isOpen).length;

async function another(settings: Record<string, string>): Promise<TestGateway> {
  const other = await gateway.another(settings);
  extra.push(other);
  return other;
}

describe('connections from one IP', () => {
  it('leave room for other IPs and for probes, even when the IP opens as many as it can', async () => {
    const attacked = await another({ MAX_CONNECTIONS: '2000' });
    const held = await openMany(attacked, 2_000, () => '127.0.0.2');
    expect(stillOpen(held)).toBe(1_000);
    for (const path of ['/health/live', '/health/ready']) {
      expect((await fetch(`${attacked.url}${path}`)).status).toBe(200);
    }
    // The small request of the next minute.
    for (const connection of held) if (connection.isOpen) connection.ask();
    const neighbours = await openMany(attacked, 900, (n) => `127.0.1.${n % 250}`);
    expect(stillOpen(neighbours)).toBe(900);
    expect((await (await gateway.aSubject()).login({ client: attacked.client })).status).toBe(200);
  }, 60_000);

  it('close the one that was idle longest when a new one exceeds the budget', async () => {
    const small = await another({ MAX_CONNECTIONS: '100', MAX_CONNECTIONS_PER_CLIENT: '10' });
    const held = await openMany(small, 10, () => '127.0.0.2');
    expect((await TestConnection.open(small, '127.0.0.2')).answers).toBe(0);
    await elapse(GRACE, NOT_CLOSED_YET);
    held[0]?.ask();
    await eventually(
      async () => held[0]?.answers,
      (answers) => answers === 2,
    );
    expect((await TestConnection.open(small, '127.0.0.2')).answers).toBe(1);
    await eventually(
      async () => stillOpen(held),
      (count) => count < 10,
    );
    expect(held.map(({ isOpen }) => isOpen)).toEqual([true, false, ...Array(8).fill(true)]);
  });

  it('have no budget when they come from a trusted proxy', async () => {
    const proxied = await another({
      MAX_CONNECTIONS: '100',
      MAX_CONNECTIONS_PER_CLIENT: '10',
      TRUSTED_PROXIES: '127.0.0.0/30',
    });
    expect(stillOpen(await openMany(proxied, 60, () => '127.0.0.2'))).toBe(60);
    expect(stillOpen(await openMany(proxied, 30, () => '127.0.0.5'))).toBe(10);
  });
});

describe('a full process', () => {
  it.each([
    ['idle connections', GET],
    ['slow bodies', POST],
    ['answers that are not read', UNREAD],
  ])(
    'of %s from many IPs accepts new connections, including probes',
    async (_, request) => {
      const small = await another({ MAX_CONNECTIONS: '30' });
      await openMany(small, 40, (n) => `127.0.1.${n % 8}`, request);
      // Counted at the gateway, because a client that does not read does not notice the close.
      const { server } = small.gateway.app;
      const count = () =>
        new Promise<number>((resolve) => server.getConnections((_error, held) => resolve(held)));
      expect(await eventually(count, (held) => held >= 29, { withinMilliseconds: 20_000 })).toBe(29);
      // A connection may be closed once it was quiet for the grace. The gateway may still write to some for a while.
      await eventually(
        async () => (await openMany(small, 10, (n) => `127.0.2.${n}`)).map(({ answers }) => answers),
        (answers) => answers.every((count) => count === 1),
        { withinMilliseconds: 20_000 },
      );
      expect((await fetch(`${small.url}/health/ready`)).status).toBe(200);
    },
    40_000,
  );

  it('logs that it refused or closed connections', async () => {
    const small = await another({ MAX_CONNECTIONS: '10' });
    await openMany(small, 12, () => '127.0.0.2');
    const [line] = await eventually(
      async () => small.logLines.filter((text) => text.includes('see MAX_CONNECTIONS')),
      (lines) => lines.length > 0,
    );
    expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 'warn', refused: 7, closed: 0 });
  });
});

describe('idle connections', () => {
  it('may stay for the full time while half of the places are free, and for two seconds when a tenth is', () => {
    expect([0, 0.5, 0.7, 0.9, 1].map(idleAllowance)).toEqual([72_000, 72_000, 37_000, 2_000, 2_000]);
  });

  it('are closed sooner as the table fills, except those of a trusted proxy', async () => {
    const small = await another({
      MAX_CONNECTIONS: '101',
      MAX_CONNECTIONS_PER_CLIENT: '90',
      MAX_CONNECTIONS_PER_NETWORK: '90',
      TRUSTED_PROXIES: '127.0.0.3',
    });
    const proxied = await openMany(small, 20, () => '127.0.0.3');
    const idle = await openMany(small, 75, () => '127.0.0.2');
    await eventually(
      async () => stillOpen(idle),
      (count) => count === 0,
    );
    expect(stillOpen(proxied)).toBe(20);
    const few = await openMany(small, 30, () => '127.0.0.2');
    await elapse(4_500, 'longer than the idle connections of a crowded process were kept');
    expect(stillOpen(few)).toBe(30);
  }, 30_000);
});

describe('the IPs of trusted proxies', () => {
  it('are recognised in every notation', () => {
    const isProxy = peersIn(['10.0.0.0/8', '::1', '2001:db8::/32', '192.0.2.7']);
    expect(['10.1.2.3', '::1', '2001:db8:5::9', '192.0.2.7'].map(isProxy)).toEqual(Array(4).fill(true));
    expect(['11.1.2.3', '::2', '2001:db9::1', '192.0.2.8'].map(isProxy)).toEqual(Array(4).fill(false));
  });
});
