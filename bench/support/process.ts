import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';

/** The server runs alone on one core. The load, the floors of the database and PostgreSQL itself run on the other. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

export const GATEWAY = ['--', 'dist/src/main.js', 'start'];
export const GATEWAY_PORT = 4901;

/** Clock ticks of /proc. USER_HZ is 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100;

export const onCore = (core: number | string, args: readonly string[]): [string, string[]] => [
  'taskset',
  ['-c', String(core), process.execPath, ...args],
];

/** Moves this process, and the processes that it starts from now on, to a core. */
export async function moveTo(core: number): Promise<void> {
  const mover = spawn('taskset', ['-a', '-cp', String(core), String(process.pid)], { stdio: 'ignore' });
  await new Promise<void>((resolve, reject) => {
    mover.on('error', () =>
      reject(new Error('the bench needs taskset (util-linux) to pin processes to cores')),
    );
    mover.on('exit', () => resolve());
  });
}

export class Server {
  readonly url: string;
  /** Milliseconds from the start of the process to its first answer. */
  readonly firstAnswerAfter: number;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess, firstAnswerAfter: number) {
    this.url = url;
    this.#child = child;
    this.firstAnswerAfter = firstAnswerAfter;
  }

  /**
   * Starts a server and waits until it answers `{ __typename }`.
   * @param env `CORES` are those it runs on, as taskset takes them; by default the core of servers
   */
  static async start(
    args: readonly string[],
    port: number,
    { CORES = String(SERVER_CORE), ...env }: Record<string, string>,
  ): Promise<Server> {
    const startedAt = performance.now();
    const [file, rest] = onCore(CORES, args);
    const child = spawn(file, rest, {
      env: { PATH: process.env.PATH ?? '', PORT: String(port), ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const url = `http://127.0.0.1:${port}/graphql`;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended with ${child.exitCode}`);
      const answered = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"query":"{ __typename }"}',
      }).then(
        (response) => response.ok,
        () => false,
      );
      if (answered) return new Server(url, child, performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Processor time that all threads have taken since the start, in seconds, with those of its workers. */
  async processorSeconds(): Promise<number> {
    const pids = [this.#child.pid, ...(await this.#workers())];
    const seconds = await Promise.all(pids.map((pid) => secondsOf(`/proc/${pid}/stat`)));
    return seconds.reduce((sum, one) => sum + one, 0);
  }

  /** Processor time of the main thread, in seconds; with workers that of each of theirs. */
  async mainThreadSeconds(): Promise<number[]> {
    const workers = await this.#workers();
    const pids = workers.length > 0 ? workers : [this.#child.pid];
    return Promise.all(pids.map((pid) => secondsOf(`/proc/${pid}/task/${pid}/stat`)));
  }

  async #workers(): Promise<string[]> {
    const { pid } = this.#child;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return children.split(' ').filter((child) => child !== '');
  }

  /** Resident memory in MB. */
  async memory(): Promise<number> {
    return (await this.#status('VmRSS')) / 1024;
  }

  threads(): Promise<number> {
    return this.#status('Threads');
  }

  /** Number of descriptors: files, sockets and others. */
  async openFiles(): Promise<number> {
    return (await readdir(`/proc/${this.#child.pid}/fd`)).length;
  }

  async #status(name: string): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
  }
}

/** @param file a `stat` of /proc. proc(5): utime and stime are fields 14 and 15. The name before them may contain spaces. */
async function secondsOf(file: string): Promise<number> {
  const stat = await readFile(file, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (Number(user) + Number(system)) / TICKS_PER_SECOND;
}

/** The rate of an operation, and the cost of each. */
export interface Rate {
  perSecond: number;
  /**
   * Microseconds of processor time of the server for one operation, in all threads. Other work on the machine affects
   * it less than the clock.
   */
  microseconds: number;
}

/**
 * Runs a floor alone on the server's core.
 * @returns what it prints.
 */
export async function measureOnServerCore(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Rate> {
  const [file, rest] = onCore(SERVER_CORE, args);
  const child = spawn(file, rest, {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  await new Promise((resolve) => child.once('exit', resolve));
  return JSON.parse(output) as Rate;
}
