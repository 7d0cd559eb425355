import { type CompositionOptions, compose, type Gateway, withMigrations } from '../composition/index.ts';
import type { Config } from '../config/index.ts';
import type { Foundation, ServingFoundation } from '../foundation.ts';
import type { Logger } from '../platform/logger.ts';
import { isHere } from '../platform/server-settings.ts';
import { CommandError } from './streams.ts';

/** Milliseconds; longer than the time that the gateway gives requests in flight. */
export const SHUTDOWN_TIMEOUT = 15_000;

/**
 * Prepares the gateway once, before any of its processes serves: takes the data folder, and migrates.
 * @throws {CommandError} when another gateway has the data folder.
 */
export async function prepare(config: Config, foundation: Foundation, log: Logger): Promise<void> {
  if (!(await foundation.claimGateway())) {
    throw new CommandError(
      `Another gateway is running on DATA_DIR ${config.dataDir}. Stop it, or set another DATA_DIR.`,
    );
  }
  if (config.database.migrateOnStart) await migrate(config, foundation, log);
}

/** Builds the gateway. @returns the gateway, listening. */
export async function raise(
  config: Config,
  foundation: ServingFoundation,
  log: Logger,
  options: CompositionOptions,
): Promise<Gateway> {
  const gateway = await compose(config, foundation, log, options);
  try {
    await listen(gateway, config);
    return gateway;
  } catch (error) {
    await gateway.close().catch(() => {});
    throw error;
  }
}

/** Closes the gateway, even if it is not ready yet. It does not wait forever for a gateway that never becomes ready. */
export async function closeRaised(raising: Promise<Gateway>): Promise<void> {
  const close = raising.then(
    (gateway) => gateway.close(),
    () => {},
  );
  const { promise: patience, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, SHUTDOWN_TIMEOUT);
  await Promise.race([close, patience]).finally(() => clearTimeout(timer));
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

/** The text that tells a person how to use a gateway that has started. */
export function banner({ production, http, mail }: Config, foundation: Foundation): string {
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
