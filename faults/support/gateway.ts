import type { Environment } from '../../src/platform/settings.ts';
import { freePort, GatehouseProcess } from '../../tests/support/process.ts';

type Log = 'read' | 'unread' | number;

/** A gateway in processes of its own: one, or with WORKERS several. It keeps its port over restarts. */
export class Gateway {
  #process: GatehouseProcess | undefined;

  private constructor(
    readonly port: string,
    private readonly environment: Environment,
    private readonly log: Log,
  ) {}

  /** Makes a gateway without starting it. */
  static async of(environment: Environment, log: Log = 'read'): Promise<Gateway> {
    return new Gateway(await freePort(), environment, log);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** @param environment overrides single settings for this start */
  async start(environment: Environment = {}): Promise<void> {
    const settings = { ...this.environment, ...environment, PORT: this.port };
    this.#process = await GatehouseProcess.start(settings, { log: this.log, ownGroup: true });
  }

  /** Kills its first process. Workers end by themselves then. */
  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL');
    await this.#process?.ended;
  }

  /** @returns the exit code after an orderly end. */
  async stop(): Promise<number | null> {
    return (await this.#process?.stop()) ?? null;
  }

  freeze(): void {
    this.#process?.killGroup('SIGSTOP');
  }

  /** Does nothing when it runs, or has ended. */
  thaw(): void {
    try {
      this.#process?.killGroup('SIGCONT');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** The end of its log. */
  get lastWords(): string {
    return this.#process?.errors.slice(-2_000) ?? '';
  }

  /** The first log lines about unexpected failures. */
  get errors(): string[] {
    const lines = this.#process?.errors.split('\n') ?? [];
    return lines.filter((line) => line.includes('"level":"error"')).slice(0, 2);
  }

  async isReady(): Promise<boolean> {
    return fetch(`${this.url}/health/ready`, { signal: AbortSignal.timeout(2_000) }).then(
      ({ status }) => status === 200,
      () => false,
    );
  }
}
