import { Gauge } from '../telemetry/index.ts';

export const redisUp = new Gauge({
  name: 'gatehouse_redis_up',
  help: '1 while this process is connected to Redis, otherwise 0. Absent where Redis is not used.',
  across: 'min',
});
