import type { Environment } from '../../src/platform/settings.ts';
import { TestGateway } from './gateway.ts';
import { hasRedis, TestRedis } from './redis.ts';
import { probePostgres, probeRedis, type SessionProbe } from './session-probe.ts';

/** The session stores on this machine. */
export const STORES = hasRedis ? (['postgres', 'redis'] as const) : (['postgres'] as const);
export type StoreName = 'postgres' | 'redis';

/** A gateway with its sessions in that store. */
export interface GatewayOnStore {
  readonly gateway: TestGateway;
  readonly sessions: SessionProbe;
  close(): Promise<void>;
}

export async function startOn(store: StoreName, settings: Environment = {}): Promise<GatewayOnStore> {
  if (store === 'postgres') {
    const gateway = await TestGateway.start(settings);
    return { gateway, sessions: probePostgres(gateway.database), close: () => gateway.close() };
  }
  const redis = await TestRedis.start();
  const gateway = await TestGateway.start({ SESSION_STORE: 'redis', REDIS_URL: redis.url, ...settings });
  return {
    gateway,
    sessions: probeRedis(redis.url),
    async close() {
      await gateway.close();
      await redis.close();
    },
  };
}
