import { setting, settingsSection } from '../setting-declaration.ts';
import { redisUrl } from './redis-url.ts';

export const REDIS_URL = setting('REDIS_URL', {
  parse: redisUrl,
  secret: true,
  description:
    'Redis, for several processes: rate limits, wake-ups and, with `SESSION_STORE=redis`, sessions. The forms are below; Redis 6 or newer, no parameters. Without it each process counts rate limits for itself.',
  passedOn: false,
});

/** Redis, which several processes share. */
export const REDIS_SETTINGS = settingsSection({
  title: 'Redis',
  settings: { url: REDIS_URL },
  config: (redis) => ({ redis }),
});
