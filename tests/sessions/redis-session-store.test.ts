import { describe } from '@jest/globals';
import { RedisConnection } from '../../src/platform/redis/index.ts';
import { RedisSessionStore } from '../../src/sessions/index.ts';
import { hasRedis, TestRedis } from '../support/redis.ts';
import { probeRedis } from '../support/session-probe.ts';
import { sessionStoreContract } from './session-store.contract.ts';

(hasRedis ? describe : describe.skip)('sessions in Redis', () => {
  sessionStoreContract({
    name: 'Redis',
    mostLost: 16,
    async open(endings, options) {
      const redis = await TestRedis.start();
      const connection = new RedisConnection({ url: redis.url, purpose: 'commands', log: () => {} });
      await connection.start();
      return {
        store: new RedisSessionStore(connection, endings, options),
        probe: probeRedis(redis.url),
        async close() {
          connection.close();
          await redis.close();
        },
      };
    },
  });
});
