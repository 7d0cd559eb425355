import { compose, type Gateway, withMigrations } from '../composition/index.ts';
import type { Config } from '../config/index.ts';
import { layFoundation } from '../foundation.ts';
import { LOG_PATIENCE, standardError } from '../platform/log-sink.ts';
import { createLogger } from '../platform/logger.ts';

/** Runs the work of a command on a gateway that does not serve requests, and closes it. */
export async function withGateway<T>(config: Config, work: (gateway: Gateway) => Promise<T>): Promise<T> {
  const sink = standardError();
  const foundation = await layFoundation(config, () => {});
  try {
    const { auditRetentionDays } = config;
    if (config.database.migrateOnStart)
      await withMigrations(foundation, (migrations) => migrations.up(), { auditRetentionDays });
    const gateway = await compose(config, foundation, createLogger('error', sink), {
      serving: false,
    });
    try {
      return await work(gateway);
    } finally {
      await gateway.close();
    }
  } finally {
    await foundation.close();
    await sink.drained(LOG_PATIENCE);
  }
}
