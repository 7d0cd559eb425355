import { type ChildProcess, spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { resolve as resolvePath } from 'node:path';
import type { Environment } from '../../src/platform/settings.ts';
import { eventually } from './race.ts';
import { noteKeys, refuseSecretsIn } from './secret-watch.ts';

/** A command of the built gateway in its own process. */
export class GatehouseProcess {
  private static readonly alive = new Set<GatehouseProcess>();
  private static readonly all: GatehouseProcess[] = [];

  output = '';
  errors = '';
  readonly ended: Promise<number | null>;

  private constructor(
    private readonly child: ChildProcess,
    readsLog: boolean,
  ) {
    child.stdout?.on('data', (chunk) => {
      this.output += chunk;
    });
    if (readsLog) {
      child.stderr?.on('data', (chunk) => {
        this.errors += chunk;
      });
    }
    GatehouseProcess.alive.add(this);
    GatehouseProcess.all.push(this);
    this.ended = new Promise((resolve) => {
      child.on('exit', (code) => {
        GatehouseProcess.alive.delete(this);
        resolve(code);
      });
    });
  }

  /**
   * @param log where the log goes: read here, into a pipe that is not read, or to an open file
   * @param nodeOptions options of Node
   * @param ownGroup whether it leads a process group, as a command in a terminal does
   * @param cwd its working folder; by default the one of the tests
   */
  static run(
    args: readonly string[],
    environment: Environment,
    {
      input = '',
      log = 'read',
      nodeOptions = [],
      ownGroup = false,
      cwd = '.',
    }: {
      input?: string;
      log?: 'read' | 'unread' | number;
      nodeOptions?: readonly string[];
      ownGroup?: boolean;
      cwd?: string;
    } = {},
  ): GatehouseProcess {
    noteKeys(environment);
    const child = spawn(process.execPath, [...nodeOptions, resolvePath('dist/src/main.js'), ...args], {
      env: { PATH: process.env.PATH, ...environment },
      detached: ownGroup,
      cwd,
      stdio: ['pipe', 'pipe', typeof log === 'number' ? log : 'pipe'],
    });
    child.stdin?.end(input);
    return new GatehouseProcess(child, log !== 'unread');
  }

  /** Starts the gateway and waits until it is ready. */
  static async start(
    environment: Environment & { PORT: string },
    options: { log?: 'read' | 'unread' | number; ownGroup?: boolean } = {},
  ): Promise<GatehouseProcess> {
    const started = GatehouseProcess.run(['start'], environment, options);
    const ready = async () => {
      const response = await fetch(`http://127.0.0.1:${environment.PORT}/health/ready`).catch(
        () => undefined,
      );
      if (started.child.exitCode !== null) throw new Error(`the gateway ended: ${started.errors}`);
      return response?.status;
    };
    await eventually(ready, (status) => status === 200, { withinMilliseconds: 60_000 });
    return started;
  }

  /**
   * Cleans up after a test that may have failed before it stopped its processes. @throws when one logged a
   * secret.
   */
  static async killAll(): Promise<void> {
    for (const process of GatehouseProcess.alive) process.kill('SIGKILL');
    await Promise.all([...GatehouseProcess.alive].map(({ ended }) => ended));
    for (const { errors } of GatehouseProcess.all.splice(0)) refuseSecretsIn(errors.split('\n'));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends a signal to every process of the group that `ownGroup` made. */
  killGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal);
  }

  /** @returns the exit code after an orderly shutdown. */
  stop(): Promise<number | null> {
    this.kill('SIGTERM');
    return this.ended;
  }
}

export async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}
