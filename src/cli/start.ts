import {
  type CompositionOptions,
  compose,
  type Gateway,
  METRICS,
  withMigrations,
} from '../composition/index.ts';
import type { Config } from '../config/index.ts';
import { type Foundation, layFoundation } from '../foundation.ts';
import { Hints } from '../platform/hints.ts';
import { LOG_PATIENCE, standardError } from '../platform/log-sink.ts';
import { createLogger, type Logger } from '../platform/logger.ts';
import { isHere } from '../platform/server-settings.ts';
import { startTelemetry } from '../platform/telemetry/start.ts';
import { CommandError, STOPPED } from './streams.ts';
import { version } from './version.ts';

/** Milliseconds; longer than the time that the gateway gives requests in flight. */
const SHUTDOWN_TIMEOUT = 15_000;

export interface StartOptions {
  readonly config: Config;
  readonly output: NodeJS.WritableStream;
  readonly errors: NodeJS.WritableStream;
  /** Resolves when the process is asked to stop. */
  readonly stopped: Promise<void>;
}

/** Runs the gateway until it is asked to stop. @throws when it cannot start, before it serves anything. */
export async function start({ config, output, errors, stopped }: StartOptions): Promise<void> {
  const sink = standardError();
  const log = createLogger(config.logLevel, sink);
  // The audit stream may use standard output. Then the console is standard error.
  const console = config.auditStream === 'stdout' ? errors : output;
  const hints = new Hints(log, config.production ? undefined : console);
  for (const message of config.warnings) hints.give({ message });
  const { promise: lost, reject: lose } = Promise.withResolvers<never>();
  lost.catch(() => {});
  const interrupted = stopped.then((): never => {
    throw new CommandError(STOPPED);
  });
  interrupted.catch(() => {});

  const endTelemetry = await startTelemetry({
    ...config.telemetry,
    host: config.http.host,
    metrics: METRICS,
    version: version(),
  });
  const foundation = await layFoundation(config, lose);
  let raising: Promise<Gateway> | undefined;
  try {
    // Ends here if the process was asked to stop while the foundation was laid.
    await Promise.race([interrupted, undefined]);
    raising = raise(config, foundation, log, { output, hints });
    await Promise.race([raising, interrupted]);
    console.write(banner(config, foundation));
    await Promise.race([stopped, lost]);
    log.info('stopping');
    const gateway = await raising;
    await Promise.race([gateway.drain(), lost]);
  } finally {
    if (raising) await closeRaised(raising);
    await endTelemetry();
    await foundation.close();
    await sink.drained(LOG_PATIENCE);
  }
}

/** Closes the gateway, even if it is not ready yet. It does not wait forever for a gateway that never becomes ready. */
async function closeRaised(raising: Promise<Gateway>): Promise<void> {
  const close = raising.then(
    (gateway) => gateway.close(),
    () => {},
  );
  const { promise: patience, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, SHUTDOWN_TIMEOUT);
  await Promise.race([close, patience]).finally(() => clearTimeout(timer));
}

/** Builds the gateway. @returns the gateway, listening. */
async function raise(
  config: Config,
  foundation: Foundation,
  log: Logger,
  options: CompositionOptions,
): Promise<Gateway> {
  if (!(await foundation.claimGateway())) {
    throw new CommandError(
      `Another gateway is running on DATA_DIR ${config.dataDir}. Stop it, or set another DATA_DIR.`,
    );
  }
  if (config.database.migrateOnStart) await migrate(config, foundation, log);
  const gateway = await compose(config, foundation, log, options);
  try {
    await listen(gateway, config);
    return gateway;
  } catch (error) {
    await gateway.close().catch(() => {});
    throw error;
  }
}

async function migrate({ auditRetentionDays }: Config, foundation: Foundation, log: Logger): Promise<void> {
  const onSingleLogin = () =>
    log.warn(
      'the database login that serves also owns the tables: give DATABASE_MIGRATION_URL a login of its own',
    );
  const applied = await withMigrations(foundation, (migrations) => migrations.up(), {
    auditRetentionDays,
    onSingleLogin,
  });
  if (applied.length > 0) log.info({ applied }, 'migrated');
}

async function listen({ app }: Gateway, { http }: Config): Promise<void> {
  const { host, port, connections } = http;
  try {
    // A busy event loop accepts one connection in each turn. Node's default backlog of 511 waiting connections fills up
    // quickly. Further connections are not refused: they hang for seconds, until the kernel tries again.
    await app.listen({ host, port, backlog: connections.total });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      throw new CommandError(
        `PORT ${port} is in use on ${host}. Stop the program that uses it, or set another PORT.`,
      );
    if (code === 'EACCES')
      throw new CommandError(`PORT ${port} may not be opened by this user. Set another PORT.`);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new CommandError(`HOST ${host} is not an address of this machine.`);
    throw error;
  }
}

function banner({ production, http, mail }: Config, foundation: Foundation): string {
  const { publicUrl, localUrl } = http;
  // Pages for developers answer only requests from this machine, so the banner shows their local URL.
  const url = production ? publicUrl : localUrl;
  const lines = [
    '',
    `  Gatehouse   ${url}`,
    ...(production || isHere(publicUrl) ? [] : [`  Public URL  ${publicUrl}`]),
    `  GraphQL     ${url}/graphql${production ? '' : '   (Apollo Sandbox in a browser)'}`,
    ...(production ? [] : [`  GraphiQL    ${url}/graphiql   (works without internet)`]),
    ...(production || mail.smtpUrl !== undefined ? [] : [`  Mailbox     ${url}/dev/mailbox`]),
    `  Data        ${foundation.dataLocation}`,
    `  Superuser   ${production ? 'gatehouse' : 'npm run gatehouse --'} create-superuser you@example.com`,
    ...(production ? [] : ['  Stop        Ctrl-C']),
    '',
    '',
  ];
  return lines.join('\n');
}
