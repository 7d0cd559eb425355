/** @topology one: starts processes of its own, which have workers of their own */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Environment } from '../../src/platform/settings.ts';
import { Client } from '../support/client.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { newSecrets } from '../support/gateway.ts';
import { freePort, GatehouseProcess } from '../support/process.ts';
import { elapse, eventually, race } from '../support/race.ts';
import { Subject } from '../support/subject.ts';

jest.setTimeout(90_000);

let database: TestDatabase;
const secrets = newSecrets();
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database?.drop());

const settings = async (): Promise<Environment & { PORT: string; METRICS_PORT: string }> => ({
  ...secrets,
  NODE_ENV: 'test',
  WORKERS: '2',
  PORT: await freePort(),
  METRICS_PORT: await freePort(),
  PUBLIC_URL: 'http://localhost:4000',
  DATABASE_URL: database.servingUrl,
  DATABASE_MIGRATION_URL: database.ownerUrl,
  PASSWORD_BCRYPT_COST: '4',
});

interface LogLine {
  readonly msg: string;
  readonly level: string;
  readonly worker?: number;
  readonly pid?: number;
  readonly requestId?: string;
  readonly reason?: string;
}

const linesOf = ({ errors }: GatehouseProcess): LogLine[] =>
  errors
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);

const readyLines = (gateway: GatehouseProcess) =>
  linesOf(gateway).filter(({ msg }) => msg === 'a worker is ready');
/** Waits until that number of workers has become ready since the start. @returns the process ids, the newest last. */
const readyPids = async (gateway: GatehouseProcess, count: number): Promise<number[]> => {
  const lines = await eventually(
    async () => readyLines(gateway),
    ({ length }) => length >= count,
    { withinMilliseconds: 30_000 },
  );
  return lines.map(({ pid }) => pid ?? 0);
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const gone = (pids: readonly number[]) =>
  eventually(
    async () => pids.filter(isAlive),
    ({ length }) => length === 0,
    { withinMilliseconds: 15_000 },
  );

/** Starts a gateway with two workers and waits until both are ready. */
async function startTwo(environment: Environment & { PORT: string }): Promise<GatehouseProcess> {
  const gateway = await GatehouseProcess.start(environment);
  await readyPids(gateway, 2);
  return gateway;
}

/** Asks over a connection. @throws the error of the socket. */
function ask(port: string, agent: Agent, requestId: string = randomUUID()) {
  const path = '/graphql?query={errorCodes{code}}';
  const headers = { 'apollo-require-preflight': '1', 'x-request-id': requestId };
  return new Promise<{ status: number; closes: boolean }>((resolve, reject) => {
    const sent = request({ port, path, agent, headers, timeout: 10_000 }, (response) => {
      response.resume();
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, closes: response.headers.connection === 'close' }),
      );
      response.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('error', reject);
    sent.end();
  });
}

/** Milliseconds between two requests of a client. */
const THINKING = 20;

/** Clients that go on until they are stopped. Half of them keep their connection, the others open a new one each time. */
class Load {
  readonly failures: string[] = [];
  answered = 0;
  private isOver = false;
  private readonly ended: Promise<unknown>;

  constructor(port: string, clients = 12) {
    this.ended = Promise.all(
      Array.from({ length: clients }, (_, index) => this.client(port, index % 2 === 0)),
    );
  }

  private async client(port: string, keepAlive: boolean): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    while (!this.isOver) {
      try {
        const { status } = await ask(port, agent);
        if (status !== 200) this.failures.push(String(status));
      } catch (error) {
        this.failures.push((error as NodeJS.ErrnoException).code ?? String(error));
      }
      this.answered += 1;
      await elapse(THINKING, 'the pace of a client');
    }
    agent.destroy();
  }

  /** Waits until more requests were answered. */
  async more(count: number): Promise<void> {
    const wanted = this.answered + count;
    await eventually(
      async () => this.answered,
      (answered) => answered >= wanted,
      { withinMilliseconds: 30_000 },
    );
  }

  async stop(): Promise<readonly string[]> {
    this.isOver = true;
    await this.ended;
    return this.failures;
  }
}

describe('a gateway with two workers', () => {
  let gateway: GatehouseProcess;
  let environment: Awaited<ReturnType<typeof settings>>;
  let client: Client;
  const metrics = async () => (await fetch(`http://127.0.0.1:${environment.METRICS_PORT}/metrics`)).text();
  const value = async (series: string) => {
    const line = (await metrics()).split('\n').find((candidate) => candidate.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  };
  const requests = '{route="/graphql",status="200"}';

  beforeAll(async () => {
    environment = { ...(await settings()), RATE_LIMIT_RULES: 'login.ip=12/36000' };
    gateway = await startTwo(environment);
    client = new Client(`http://127.0.0.1:${environment.PORT}`);
  });
  afterAll(() => GatehouseProcess.killAll());

  /** Opens connections until one of each worker is there. */
  async function oneConnectionEach(): Promise<Map<number, Agent>> {
    const agents = new Map<number, Agent>();
    while (agents.size < 2) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const id = randomUUID();
      await ask(environment.PORT, agent, id);
      const lines = await eventually(
        async () => linesOf(gateway).filter(({ requestId }) => requestId === id),
        ({ length }) => length > 0,
      );
      const worker = lines[0]?.worker ?? 0;
      if (agents.has(worker)) agent.destroy();
      else agents.set(worker, agent);
    }
    return agents;
  }

  /** Sends a GraphQL request over a connection. */
  function send(agent: Agent, query: string, bearer?: string): Promise<string> {
    const headers = {
      'content-type': 'application/json',
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    };
    return new Promise((resolve, reject) => {
      const sent = request(
        { port: environment.PORT, path: '/graphql', method: 'POST', agent, headers },
        (response) => {
          let text = '';
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => resolve(text));
        },
      );
      sent.on('error', reject);
      sent.end(JSON.stringify({ query }));
    });
  }

  it('prints its banner once, and the number of the worker in the log lines of workers', async () => {
    expect(gateway.output.match(/Gatehouse {3}http/g)).toHaveLength(1);
    const listening = linesOf(gateway).filter(({ msg }) => msg.startsWith('Server listening'));
    expect(listening.map(({ worker }) => worker).toSorted()).toEqual([1, 2]);
  });

  it("gives connections to both workers, which know of each other's log-outs within a second", async () => {
    const agents = [...(await oneConnectionEach()).values()];
    const [one, other] = agents as [Agent, Agent];
    const alice = await Subject.register(client);
    const { accessToken } = await alice.signedIn();
    expect(await send(other, '{ me { id } }', accessToken)).toContain(alice.id);
    await send(one, 'mutation { logout }', accessToken);
    await eventually(
      () => send(other, '{ me { id } }', accessToken),
      (answer) => answer.includes('UNAUTHENTICATED'),
      { withinMilliseconds: 1_000 },
    );
    for (const agent of agents) agent.destroy();
  });

  it('allows no more attempts than one process does', async () => {
    const agents = [...(await oneConnectionEach()).values()];
    const login = (index: number) =>
      `mutation { login(input: { identifier: "nobody-${index}", password: "a wrong passphrase" }) { __typename } }`;
    const answers: string[] = [];
    for (let index = 0; index < 16; index++)
      answers.push(await send(agents[index % 2] as Agent, login(index)));
    // The rule allows twelve. The login of the test before was one of them.
    expect(answers.filter((answer) => answer.includes('INVALID_CREDENTIALS'))).toHaveLength(11);
    expect(answers.filter((answer) => answer.includes('RATE_LIMITED'))).toHaveLength(5);
    for (const agent of agents) agent.destroy();
  });

  it('adds up the metrics of its workers, and does not add what they share', async () => {
    const before = (await value(`gatehouse_http_requests_total${requests}`)) ?? 0;
    const agents = [...(await oneConnectionEach()).values()];
    for (let index = 0; index < 10; index++) await ask(environment.PORT, agents[index % 2] as Agent);
    expect(await value(`gatehouse_http_requests_total${requests}`)).toBeGreaterThanOrEqual(before + 12);
    for (const agent of agents) agent.destroy();
    expect(await value('gatehouse_workers{state="ready"}')).toBe(2);
    expect(await value('gatehouse_revocation_age_seconds')).toBeLessThan(5);
    expect(await metrics()).not.toMatch(/^gatehouse_redis_up/m);
  });

  it('tells on the port of the metrics how many workers are ready', async () => {
    const response = await fetch(`http://127.0.0.1:${environment.METRICS_PORT}/health/ready`);
    expect([response.status, await response.json()]).toEqual([
      200,
      { status: 'ready', workers: { starting: 0, ready: 2, stopping: 0, silent: 0 } },
    ]);
  });

  it('reports metrics without a worker that hangs', async () => {
    const before = (await value(`gatehouse_http_requests_total${requests}`)) ?? 0;
    const [, hanging = 0] = await readyPids(gateway, 2);
    process.kill(hanging, 'SIGSTOP');
    try {
      expect(await value('gatehouse_workers{state="silent"}')).toBe(1);
      expect(await value(`gatehouse_http_requests_total${requests}`)).toBeGreaterThanOrEqual(before);
    } finally {
      process.kill(hanging, 'SIGCONT');
    }
  });

  it('replaces its workers on SIGHUP without a failed request', async () => {
    const before = await readyPids(gateway, 2);
    const load = new Load(environment.PORT);
    await load.more(100);
    gateway.kill('SIGHUP');
    await eventually(
      async () => linesOf(gateway).filter(({ msg }) => msg === 'all workers were replaced'),
      ({ length }) => length === 1,
      { withinMilliseconds: 40_000 },
    );
    await load.more(100);
    expect(await load.stop()).toEqual([]);
    await gone(before);
    expect(await readyPids(gateway, 4)).toHaveLength(4);
  });

  it('starts a killed worker again; only what was under way at it fails, and no counter falls', async () => {
    const [victim = 0] = (await readyPids(gateway, 4)).slice(-2);
    const before = await value(`gatehouse_http_requests_total${requests}`);
    const load = new Load(environment.PORT);
    await load.more(100);
    process.kill(victim, 'SIGKILL');
    await load.more(50);
    await readyPids(gateway, 5);
    await load.more(100);
    const failures = await load.stop();
    // Each of the twelve clients has one request under way.
    expect(failures.length).toBeLessThanOrEqual(12);
    expect(failures).not.toContain('ECONNREFUSED');
    expect(await value(`gatehouse_http_requests_total${requests}`)).toBeGreaterThan(before ?? 0);
    expect(linesOf(gateway).filter(({ msg }) => msg === 'a worker ended by itself')).toMatchObject([
      { level: 'error', pid: victim, signal: 'SIGKILL' },
    ]);
  });

  it('resets the connection that a killed worker had not taken yet', async () => {
    const [victim = 0] = (await readyPids(gateway, 5)).slice(-1);
    process.kill(victim, 'SIGSTOP');
    const asked = race(4, () =>
      ask(environment.PORT, new Agent({ keepAlive: false })).then(
        () => 'answered',
        (error: NodeJS.ErrnoException) => error.code ?? String(error),
      ),
    );
    await elapse(500, 'the connections must reach the gateway before the worker is killed');
    process.kill(victim, 'SIGKILL');
    // A worker gets one connection at a time, until it takes it.
    expect((await asked).toSorted()).toEqual(['ECONNRESET', 'answered', 'answered', 'answered']);
    await readyPids(gateway, 6);
  });

  it('stops all workers on SIGTERM, without losing a request', async () => {
    const pids = (await readyPids(gateway, 6)).slice(-2);
    const load = new Load(environment.PORT);
    await load.more(50);
    const code = await gateway.stop();
    const failures = await load.stop();
    expect(code).toBe(0);
    expect(new Set(failures)).toEqual(new Set(['ECONNREFUSED']));
    expect(pids.filter(isAlive)).toEqual([]);
  });
});

describe('a gateway whose primary is killed', () => {
  afterEach(() => GatehouseProcess.killAll());

  it('leaves no worker behind, and its data folder and port to the next gateway', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-workers-'));
    const { PORT, WORKERS } = await settings();
    const environment = { NODE_ENV: 'test', DATA_DIR: folder, PORT, WORKERS };
    try {
      const first = await startTwo(environment);
      first.kill('SIGKILL');
      await gone(await readyPids(first, 2));
      const second = await GatehouseProcess.start({ ...environment, WORKERS: '1' });
      expect(await second.stop()).toBe(0);
    } finally {
      await GatehouseProcess.killAll();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('a gateway that is stopped while a worker starts', () => {
  afterEach(() => GatehouseProcess.killAll());

  it('does not wait for that worker', async () => {
    const gateway = GatehouseProcess.run(['start'], await settings());
    await eventually(
      async () => gateway.errors,
      (errors) => errors.includes('a worker is ready'),
      { withinMilliseconds: 30_000 },
    );
    gateway.kill('SIGTERM');
    const asked = performance.now();
    expect(await gateway.ended).toBe(1);
    expect(performance.now() - asked).toBeLessThan(8_000);
  });
});

describe('a worker that cannot start', () => {
  afterEach(() => GatehouseProcess.killAll());

  it('ends the start of the gateway, which prints the reason once', async () => {
    const environment = await settings();
    const server = createServer().listen(Number(environment.PORT), '127.0.0.1');
    const taken = GatehouseProcess.run(['start'], environment);
    expect(await taken.ended).toBe(1);
    expect(taken.errors).toContain(`PORT ${environment.PORT} is in use on 127.0.0.1.`);
    expect(taken.errors.split('is in use')).toHaveLength(2);
    server.close();
    const other = { ...environment, TOKEN_KEY: randomBytes(32).toString('base64') };
    const wrong = GatehouseProcess.run(['start'], other);
    expect(await wrong.ended).toBe(1);
    expect(wrong.errors.match(/TOKEN_KEY/g)).toHaveLength(1);
  });

  it('ends a replacement of workers, and leaves those that serve', async () => {
    const { PORT, METRICS_PORT, ...rest } = await settings();
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-workers-'));
    const file = join(folder, 'settings.env');
    const write = (more: string) => writeFile(file, `MAX_CONNECTIONS=${more}\n`);
    await write('1000');
    const gateway = GatehouseProcess.run(['--env-file', file, 'start'], { ...rest, PORT, METRICS_PORT });
    const before = await readyPids(gateway, 2);
    await write('a lot');
    gateway.kill('SIGHUP');
    const [line] = await eventually(
      async () => linesOf(gateway).filter(({ msg }) => msg.startsWith('a replacement did not start')),
      ({ length }) => length === 1,
      { withinMilliseconds: 20_000 },
    );
    expect(line?.reason).toContain('MAX_CONNECTIONS must be');
    expect(before.filter(isAlive)).toEqual(before);
    expect((await fetch(`http://127.0.0.1:${PORT}/health/ready`)).status).toBe(200);
    expect(await gateway.stop()).toBe(0);
    await rm(folder, { recursive: true });
  });
});
