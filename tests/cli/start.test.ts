import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from '../support/client.ts';
import { freePort, GatehouseProcess } from '../support/process.ts';
import { elapse, eventually, race } from '../support/race.ts';
import { Subject, tokensOf } from '../support/subject.ts';

jest.setTimeout(90_000);

let dataDir: string;
let environment: { DATA_DIR: string; PORT: string; PASSWORD_BCRYPT_COST: string; RATE_LIMIT: string };
let client: Client;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-start-'));
  environment = {
    DATA_DIR: join(dataDir, 'data'),
    PORT: await freePort(),
    PASSWORD_BCRYPT_COST: '4',
    RATE_LIMIT: 'off',
  };
  client = new Client(`http://127.0.0.1:${environment.PORT}`);
});
afterEach(() => GatehouseProcess.killAll());
afterAll(() => rm(dataDir, { recursive: true, force: true }));

/** Runs a command until it exits. */
async function run(args: string[], settings: Record<string, string> = {}, input = '') {
  const command = GatehouseProcess.run(args, { ...environment, ...settings }, { input });
  const code = await command.ended;
  return { code, output: command.output, errors: command.errors };
}

/** The most connections that the kernel lets wait, whatever a process requests. Unknown without Linux. */
function kernelBacklog(): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
  } catch {
    return 0;
  }
}
const MANY = 1_000;

describe('a gateway that is too busy to accept connections', () => {
  const where = kernelBacklog() >= MANY ? it : it.skip;

  where('lets as many connections wait as it may hold, and answers each', async () => {
    const gateway = await GatehouseProcess.start(environment);
    gateway.kill('SIGSTOP');
    const sockets = Array.from({ length: MANY }, () => connect(Number(environment.PORT), '127.0.0.1'));
    try {
      const connected = Promise.all(sockets.map((socket) => once(socket, 'connect'))).then(
        () => 'all of them',
      );
      // The kernel retries after one, three and seven seconds. A connection that it has room for takes no
      // time.
      expect(await Promise.race([connected, pause(10_000, 'not all', { ref: false })])).toBe('all of them');
      gateway.kill('SIGCONT');
      const replies = await Promise.all(
        sockets.map((socket) => {
          socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
          return text(socket);
        }),
      );
      expect(replies.filter((reply) => !reply.startsWith('HTTP/1.1 200'))).toEqual([]);
    } finally {
      gateway.kill('SIGCONT');
      for (const socket of sockets) socket.destroy();
    }
    expect(await gateway.stop()).toBe(0);
  });
});

describe('the gateway on its embedded PostgreSQL', () => {
  it('prints where everything is, keeps its secrets private, and shuts down in order', async () => {
    const gateway = await GatehouseProcess.start(environment);
    for (const line of ['/graphql', '/graphiql', environment.DATA_DIR, 'create-superuser']) {
      expect(gateway.output).toContain(line);
    }
    const { mode } = await stat(join(environment.DATA_DIR, 'secrets.json'));
    expect((mode & 0o777).toString(8)).toBe('600');
    expect(await gateway.stop()).toBe(0);
    expect(await readdir(join(environment.DATA_DIR, 'postgres'))).not.toContain('postmaster.pid');
  });

  it('keeps its data after kill -9', async () => {
    const killed = await GatehouseProcess.start(environment);
    const alice = await Subject.register(client);
    const { accessToken, refreshToken } = await alice.signedIn();
    killed.kill('SIGKILL');
    await killed.ended;

    const gateway = await GatehouseProcess.start(environment);
    expect((await alice.me(accessToken)).data?.me?.id).toBe(alice.id);
    expect((await alice.refresh(refreshToken)).errors).toEqual([]);
    expect((await alice.login()).errors).toEqual([]);
    expect(await gateway.stop()).toBe(0);
  });

  it('loses no session when it is killed during refreshes', async () => {
    const killed = await GatehouseProcess.start(environment);
    const people = await race(20, () => Subject.register(client));
    const latest = new Map<Subject, string>();
    for (const person of people) latest.set(person, (await person.signedIn()).refreshToken);
    const refreshing = Promise.all(
      people.map(async (person) => {
        for (let round = 0; round < 50; round++) {
          const reply = await person.refresh(latest.get(person) ?? '').catch(() => undefined);
          if (!reply) return;
          latest.set(person, tokensOf(reply).refreshToken);
        }
      }),
    );
    setTimeout(() => killed.kill('SIGKILL'), 300);
    await refreshing;
    await killed.ended;

    const gateway = await GatehouseProcess.start(environment);
    for (const person of people) expect((await person.refresh(latest.get(person) ?? '')).errors).toEqual([]);
    expect(await gateway.stop()).toBe(0);
  });

  it('finishes requests in progress when it is asked to stop', async () => {
    const gateway = await GatehouseProcess.start({ ...environment, PASSWORD_BCRYPT_COST: '12' });
    const registering = Subject.register(client);
    await elapse(100, 'the request arrives and its hash begins, of which nothing can be seen from outside');
    expect(await gateway.stop()).toBe(0);
    expect((await registering).id).toBeTruthy();
  });

  it('does not wait forever for a request that never arrives', async () => {
    const gateway = await GatehouseProcess.start(environment);
    const half = connect(Number(environment.PORT), '127.0.0.1');
    half.on('error', () => {});
    half.write(
      'POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    );
    await once(half, 'connect');
    // The gateway has read the first half before it answers a later connection.
    await fetch(`http://127.0.0.1:${environment.PORT}/health/live`);
    expect(await gateway.stop()).toBe(0);
    half.destroy();
    expect(await readdir(join(environment.DATA_DIR, 'postgres'))).not.toContain('postmaster.pid');
  });

  it('can be stopped while it starts, and leaves no server running', async () => {
    const pidFile = () =>
      readdir(join(environment.DATA_DIR, 'postgres')).then((names) => names.includes('postmaster.pid'));
    const gateway = GatehouseProcess.run(['start'], environment);
    await eventually(pidFile, (there) => there, { withinMilliseconds: 60_000 });
    gateway.kill('SIGTERM');
    await gateway.ended;
    expect(await pidFile()).toBe(false);
  });

  it('says that it was stopped when Ctrl-C ends initdb too, and leaves no files', async () => {
    const folder = join(dataDir, 'interrupted');
    // Earlier, while initdb tests settings, it ignores SIGINT, as system(3) does.
    const initdbRuns = async () => {
      const names = await readdir(folder).catch(() => []);
      const workshop = names.find((name) => name.startsWith('postgres.initdb-')) ?? 'none';
      return existsSync(join(folder, workshop, 'cluster/base/1/PG_VERSION'));
    };
    const gateway = GatehouseProcess.run(['start'], { ...environment, DATA_DIR: folder }, { ownGroup: true });
    await eventually(initdbRuns, (running) => running, { withinMilliseconds: 60_000 });
    gateway.killGroup('SIGINT');
    expect(await gateway.ended).toBe(1);
    expect(gateway.errors).toBe('Stopped before it was ready.\n');
    expect(await readdir(folder)).toEqual(['secrets.json']);
  });

  it('runs only once on a data folder', async () => {
    const gateway = await GatehouseProcess.start(environment);
    const second = await run(['start'], { PORT: await freePort() });
    expect(second).toMatchObject({
      code: 1,
      errors: expect.stringContaining('Another gateway is running on DATA_DIR'),
    });
    expect((await fetch(`${client.url}/health/ready`)).status).toBe(200);
    expect(await gateway.stop()).toBe(0);
  });
});

describe('commands', () => {
  it('work while the gateway runs and while it is stopped', async () => {
    const gateway = await GatehouseProcess.start(environment);
    const password = 'velvet anchor rising';
    const running = await run(
      ['create-superuser', 'root@example.test', '--password-stdin'],
      {},
      `${password}\n`,
    );
    expect(running).toMatchObject({
      code: 0,
      output: expect.stringContaining('Created the account root; it is a superuser now.'),
    });
    const login = await client.raw(
      'mutation ($p: String!) { login(input: {identifier: "root", password: $p}) { ... on Authenticated { user { roles { name } } } } }',
      { p: password },
    );
    expect(login.data).toEqual({ login: { user: { roles: [{ name: 'superuser' }] } } });
    expect(await gateway.stop()).toBe(0);

    const stopped = await run(
      ['create-superuser', 'root@example.test', '--password-stdin'],
      {},
      `${password}\n`,
    );
    expect(stopped).toMatchObject({ code: 0, output: expect.stringContaining('it is a superuser already') });
    const status = await run(['migrate', 'status']);
    expect(status).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^\d{4}-.*accounts_and_sessions/),
    });
  });

  it('explain bad input in one sentence', async () => {
    const weak = await run(['create-superuser', 'root.two@example.test', '--password-stdin'], {}, 'short\n');
    expect(weak).toMatchObject({ code: 1, errors: expect.stringMatching(/^Use at least 12 characters/) });
    expect((await run(['no-such-command'])).code).not.toBe(0);
    expect(await run(['migrate', 'create', '../escape'])).toMatchObject({ code: 1 });
  });
});

describe('mistakes in the settings', () => {
  it('are reported at the start, in the log and on the console, with working links', async () => {
    const gateway = await GatehouseProcess.start({
      ...environment,
      EMAIL_CONFIRMATON: 'required',
      PUBLIC_URL: 'http://localhost:1',
    });
    const hint = 'EMAIL_CONFIRMATON is not a setting: did you mean EMAIL_CONFIRMATION?';
    const contradiction = `PUBLIC_URL is http://localhost:1, but PORT is ${environment.PORT}`;
    for (const text of [hint, contradiction]) {
      expect(gateway.output).toContain(text);
      expect(gateway.errors).toMatch(new RegExp(`"level":"warn".*${text.replace('?', '\\?')}`));
    }
    const links = gateway.output.match(/http:\/\/\S+\/\S+/g) ?? [];
    expect(links).toHaveLength(3);
    expect(gateway.output).not.toContain('Public URL');
    for (const link of links) {
      const page = await fetch(link.replace('localhost', '127.0.0.1'), { headers: { accept: 'text/html' } });
      expect([link, page.status]).toEqual([link, 200]);
    }
    expect(await gateway.stop()).toBe(0);
  });

  it('are reported by other commands too', async () => {
    const result = await run(['migrate', 'status'], { EMAIL_CONFIRMATON: 'required' });
    expect(result).toMatchObject({
      code: 0,
      errors: 'Warning: EMAIL_CONFIRMATON is not a setting: did you mean EMAIL_CONFIRMATION?\n',
    });
  });

  it('are reported together with the errors that stop production, and so is a .env that is not read', async () => {
    const folder = join(dataDir, 'with-env-file');
    await mkdir(folder);
    await writeFile(join(folder, '.env'), 'DATABASE_URL=postgresql://db.example/gatehouse\n');
    const gateway = GatehouseProcess.run(
      ['start'],
      {
        ...environment,
        NODE_ENV: 'production',
        SMPT_URL: 'smtp://mail',
        RATE_LIMIT_RULES: 'login.pi=5/60',
      },
      { cwd: folder },
    );
    expect(await gateway.ended).toBe(1);
    expect(gateway.errors).toContain('\n- DATABASE_URL must be set');
    expect(gateway.errors).toContain('\n- SMPT_URL is not a setting: did you mean SMTP_URL?');
    expect(gateway.errors).toContain(
      '\n- RATE_LIMIT_RULES names a rule that does not exist: did you mean login.ip?',
    );
    expect(gateway.errors).toContain('\nPerhaps also:\n- The file .env is not read when NODE_ENV=production');
  });
});

describe('a start that cannot succeed', () => {
  it('says that the port is taken, and leaves no server running', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(Number(environment.PORT), '127.0.0.1', resolve));
    const result = await run(['start']);
    await new Promise((resolve) => other.close(resolve));
    expect(result).toMatchObject({ code: 1, output: '' });
    expect(result.errors).toContain(`PORT ${environment.PORT} is in use`);
    expect(await readdir(join(environment.DATA_DIR, 'postgres'))).not.toContain('postmaster.pid');
  });

  it('reports all bad settings together, without their values', async () => {
    const result = await run(['start'], {
      PORT: 'marked',
      TOKEN_KEY: 'marked',
      JWT_ALG: 'marked',
      RATE_LIMIT_RULES: 'marked',
    });
    expect(result).toMatchObject({ code: 1, output: '' });
    for (const name of ['PORT', 'TOKEN_KEY', 'JWT_ALG', 'RATE_LIMIT_RULES'])
      expect(result.errors).toContain(`- ${name} `);
    expect(result.errors).not.toContain('marked');
  });

  it('names DATA_DIR when the folder cannot be used', async () => {
    const file = join(dataDir, 'a-file');
    await writeFile(file, '');
    const result = await run(['start'], { DATA_DIR: file });
    expect(result).toMatchObject({ code: 1, errors: expect.stringContaining('DATA_DIR') });
    const damaged = join(dataDir, 'damaged');
    await mkdir(damaged);
    await writeFile(join(damaged, 'secrets.json'), '{}');
    await chmod(join(damaged, 'secrets.json'), 0o600);
    expect(await run(['start'], { DATA_DIR: damaged })).toMatchObject({
      code: 1,
      errors: expect.stringContaining('secrets.json that is damaged'),
    });
  });

  it('names the required Node version in one line when it runs on an older Node', async () => {
    const { engines } = JSON.parse(await readFile('package.json', 'utf8')) as { engines: { node: string } };
    const pretended =
      'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } })';
    const gateway = GatehouseProcess.run(['start'], environment, {
      nodeOptions: ['--import', `data:text/javascript,${pretended}`],
    });
    expect(await gateway.ended).toBe(1);
    const needed = engines.node.replace('>=', '');
    expect(gateway.errors).toMatch(
      new RegExp(`^Gatehouse needs Node ${needed} or newer, but this is Node 20\\.1\\.0: .*\n$`),
    );
  });

  it('refuses development parts in production', async () => {
    const result = await run(['start'], { NODE_ENV: 'production' });
    expect(result.code).toBe(1);
    for (const name of ['DATABASE_URL', 'TOKEN_KEY', 'PUBLIC_URL']) expect(result.errors).toContain(name);
  });
});
