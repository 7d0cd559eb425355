import { describe } from '@jest/globals';
import { hasRedis } from '../support/redis.ts';
import { REDIS } from '../support/session-adapters.ts';
import { sessionStoreContract } from './session-store.contract.ts';

(hasRedis ? describe : describe.skip)('sessions in Redis', () => {
  sessionStoreContract(REDIS);
});
