import { randomBytes } from 'node:crypto';
import { type AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { compose, type Gateway } from '../../src/composition/index.ts';
import { loadConfig } from '../../src/config/index.ts';
import { layFoundation } from '../../src/foundation.ts';
import { createLogger } from '../../src/platform/logger.ts';
import type { Environment } from '../../src/platform/settings.ts';
import { Client, type Process } from './client.ts';
import { TestClock } from './clock.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { ConfirmEmailDocument } from './generated/operations.ts';
import { Mailbox } from './mailbox.ts';
import { noteKeys, refuseSecretsIn } from './secret-watch.ts';
import { probePostgres, probeRedis, type SessionProbe } from './session-probe.ts';
import { Subject, type SubjectFacts } from './subject.ts';
import { sharedSettings, topology } from './topology.ts';

export const key = (): string => randomBytes(32).toString('base64');

/** Keys that all processes of a test share. */
export interface Secrets extends Environment {
  TOKEN_KEY: string;
  ENCRYPTION_KEY: string;
  PASSWORD_PEPPER: string;
}

export const newSecrets = (): Secrets => ({
  TOKEN_KEY: key(),
  ENCRYPTION_KEY: key(),
  PASSWORD_PEPPER: key(),
});

/**
 * A gateway in this process, on a real socket and a real database. When the run asks for two, there are two
 * gateways, and the requests of its clients alternate.
 */
export class TestGateway {
  readonly client: Client;

  private constructor(
    readonly url: string,
    readonly database: TestDatabase,
    readonly clock: TestClock,
    /** Every logged line, at the most detailed level. */
    readonly logLines: readonly string[],
    readonly gateway: Gateway,
    private readonly settings: Environment,
    private readonly ownsDatabase: boolean,
    private readonly twin: TestGateway | undefined,
  ) {
    this.client = new Client(this.processes());
  }

  /** Fast hashes and no limits, unless the test is about them. */
  static async start(settings: Environment = {}): Promise<TestGateway> {
    const shared = { ...newSecrets(), ...(await sharedSettings()), ...settings };
    const database = await createTestDatabase();
    const clock = new TestClock();
    const logLines: string[] = [];
    const twin = topology === 'two' ? await TestGateway.on(database, shared, { clock, logLines }) : undefined;
    return TestGateway.on(database, shared, { clock, logLines, twin, ownsDatabase: true });
  }

  /** Another process on the same database with the same keys. */
  another(settings: Environment = {}): Promise<TestGateway> {
    return TestGateway.on(this.database, { ...this.settings, ...settings }, {});
  }

  private static async on(
    database: TestDatabase,
    settings: Environment,
    {
      clock = new TestClock(),
      logLines = [],
      ownsDatabase = false,
      twin,
    }: { clock?: TestClock; logLines?: string[]; ownsDatabase?: boolean; twin?: TestGateway | undefined },
  ): Promise<TestGateway> {
    const environment = {
      NODE_ENV: 'test',
      PUBLIC_URL: 'http://localhost:4000',
      PASSWORD_BCRYPT_COST: '4',
      RATE_LIMIT: 'off',
      LOG_LEVEL: 'trace',
      DATABASE_URL: database.servingUrl,
      DATABASE_MIGRATION_URL: database.ownerUrl,
      ...settings,
    };
    noteKeys(environment);
    const config = loadConfig(environment);
    const sink = new Writable({
      write(chunk, _encoding, done) {
        logLines.push(String(chunk));
        done();
      },
    });
    const foundation = await layFoundation(config, () => {});
    const gateway = await compose(config, foundation, createLogger(config.logLevel, sink), { clock });
    await gateway.app.listen({ host: '127.0.0.1', port: Number(settings.PORT ?? 0) });
    const { port } = gateway.app.server.address() as AddressInfo;
    return new TestGateway(
      `http://127.0.0.1:${port}`,
      database,
      clock,
      logLines,
      gateway,
      settings,
      ownsDatabase,
      twin,
    );
  }

  /** A new account with unique names. */
  aSubject(facts: Partial<SubjectFacts> = {}): Promise<Subject> {
    return Subject.register(this.client, facts);
  }

  /** Confirms the address with the mailed link. */
  async confirm(subject: Subject): Promise<Subject> {
    const token = await this.mailbox.token(subject.email, 'confirm-email');
    const { password } = subject;
    const { data, text } = await this.client.execute(ConfirmEmailDocument, { token, password });
    if (!data) throw new Error(`not confirmed: ${text}`);
    return subject;
  }

  /** The mails that it sent. Empty with SMTP_URL. */
  get mailbox(): Mailbox {
    return new Mailbox(this.gateway.fork, this.settings.ENCRYPTION_KEY ?? '');
  }

  /** The session store of this gateway, for tests. */
  get sessions(): SessionProbe {
    const { SESSION_STORE, REDIS_URL = '' } = this.settings;
    return SESSION_STORE === 'redis' ? probeRedis(REDIS_URL) : probePostgres(this.database);
  }

  /** A client that keeps cookies. */
  browser(): Client {
    return new Client(this.processes(), { keepCookies: true });
  }

  /** Whether each of its processes has all its parts. */
  async isReady(): Promise<boolean> {
    const answers = await Promise.all(this.processes().map(({ url }) => fetch(`${url}/health/ready`)));
    return answers.every(({ status }) => status === 200);
  }

  /** Stops its processes, and keeps the database. @throws when they logged a secret. */
  async stop(): Promise<void> {
    await Promise.all([this.gateway.close(), this.twin?.gateway.close()]);
    refuseSecretsIn(this.logLines);
  }

  /** @throws when it logged a secret. */
  async close(): Promise<void> {
    try {
      await this.stop();
    } finally {
      if (this.ownsDatabase) await this.database.drop();
    }
  }

  /**
   * Another process refuses an ended session within a second, which has its own tests. Other tests may rely
   * on its effect at once, so each request waits until its process knows every change.
   */
  private processes(): [Process, ...Process[]] {
    if (!this.twin) return [{ url: this.url }];
    return [this, this.twin].map(({ url, gateway }) => ({ url, caughtUp: () => gateway.caughtUp() })) as [
      Process,
      Process,
    ];
  }
}
