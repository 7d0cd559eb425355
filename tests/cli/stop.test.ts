/** @topology one: starts and stops processes of its own */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { freePort, GatehouseProcess } from '../support/process.ts';
import { elapse, eventually } from '../support/race.ts';

jest.setTimeout(90_000);

const CLIENTS = 32;
/** Milliseconds between two requests of a client. */
const THINKING = 20;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(() => GatehouseProcess.killAll());
afterAll(() => database.drop());

const key = () => randomBytes(32).toString('base64');
const keys = { TOKEN_KEY: key(), ENCRYPTION_KEY: key(), PASSWORD_PEPPER: key() };
const environment = async () => ({
  ...keys,
  NODE_ENV: 'test',
  PORT: await freePort(),
  PUBLIC_URL: 'http://localhost:4000',
  DATABASE_URL: database.servingUrl,
  DATABASE_MIGRATION_URL: database.ownerUrl,
  SHUTDOWN_DELAY_SECONDS: '1',
});

/** @throws the error of the socket. */
function ask(port: string, path: string, agent?: Agent) {
  return new Promise<{ status: number; body: string; closes: boolean }>((resolve, reject) => {
    const sent = request({ port, path, agent, headers: { 'apollo-require-preflight': '1' } }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body, closes: response.headers.connection === 'close' }),
      );
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end();
  });
}

const QUERY = '/graphql?query={errorCodes{code}}';
/** The number of requests of all clients so far. */
let answered = 0;

/**
 * Sends on one kept connection, and continues at the next gateway when that is closed. @returns the errors
 * that occurred.
 */
async function client(ports: readonly string[], isOver: () => boolean): Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const wrong: string[] = [];
  let at = 0;
  while (!isOver()) {
    try {
      const { status, body, closes } = await ask(ports[at] ?? '', QUERY, agent);
      if (status !== 200) wrong.push(`${status} ${body}`);
      if (closes) at = (at + 1) % ports.length;
    } catch (error) {
      wrong.push(String((error as NodeJS.ErrnoException).code));
    }
    answered += 1;
    await elapse(THINKING, 'the pace of a client');
  }
  agent.destroy();
  return wrong;
}

describe('a gateway that is asked to stop', () => {
  it('loses no request of clients that keep connections, and reconnect elsewhere once those are closed', async () => {
    const [first, second] = [await environment(), await environment()];
    const stopping = await GatehouseProcess.start(first);
    await GatehouseProcess.start(second);
    let over = false;
    const clients = Array.from({ length: CLIENTS }, () => client([first.PORT, second.PORT], () => over));
    await eventually(
      async () => answered,
      (count) => count > 5 * CLIENTS,
    );
    expect(await stopping.stop()).toBe(0);
    over = true;
    expect((await Promise.all(clients)).flat()).toEqual([]);
  });

  it('loses no request of a proxy without health checks, which opens connections until they are refused', async () => {
    const settings = await environment();
    const gateway = await GatehouseProcess.start(settings);
    const lost = new Map<string, number>();
    let asked = 0;
    const ended = gateway.stop();
    let isOver = false;
    const clients = Array.from({ length: 16 }, async () => {
      while (!isOver) {
        try {
          await ask(settings.PORT, QUERY, new Agent({ keepAlive: false }));
          asked += 1;
        } catch (error) {
          const code = String((error as NodeJS.ErrnoException).code);
          // The request was not sent, so the proxy takes the next gateway.
          if (code === 'ECONNREFUSED') return;
          lost.set(code, (lost.get(code) ?? 0) + 1);
        }
      }
    });
    expect(await ended).toBe(0);
    isOver = true;
    await Promise.all(clients);
    expect(asked).toBeGreaterThan(0);
    expect(lost).toEqual(new Map());
  });

  it('reports not ready during the delay, and still serves requests', async () => {
    const settings = await environment();
    const gateway = await GatehouseProcess.start(settings);
    const ended = gateway.stop();
    const ready = await eventually(
      () => ask(settings.PORT, '/health/ready'),
      ({ status }) => status === 503,
    );
    expect([ready.status, JSON.parse(ready.body)]).toEqual([503, { status: 'draining' }]);
    expect((await ask(settings.PORT, QUERY)).status).toBe(200);
    expect(await ended).toBe(0);
  });
});
