import { setting, settingsSection } from '../setting-declaration.ts';
import { redisUrl } from './redis-url.ts';

export const REDIS_URL = setting('REDIS_URL', {
  parse: redisUrl,
  secret: true,
  whenUnset: 'each process counts rate limits for itself',
  description:
    'Redis, for several processes: rate limits, wake-ups and, with `SESSION_STORE=redis`, sessions. Redis 6 or newer. The forms are below; they have no parameters.',
  passedOn: false,
});

/** Redis, which several processes share. */
export const REDIS_SETTINGS = settingsSection({
  title: 'Redis',
  settings: { url: REDIS_URL },
  config: (redis) => ({ redis }),
});
