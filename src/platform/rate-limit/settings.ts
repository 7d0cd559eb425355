import { setting, settingsSection } from '../setting-declaration.ts';
import { onOff } from '../setting-parsers.ts';
import { bucketRules } from './rules.ts';

/** Rate limits. Each module declares its rules. */
export const RATE_LIMIT_SETTINGS = settingsSection({
  title: 'Rate limits',
  settings: {
    enabled: setting('RATE_LIMIT', {
      parse: onOff,
      default: true,
      description: 'Whether rate limits count; `off` is for load tests, and refused in production.',
    }),
    overrides: setting('RATE_LIMIT_RULES', {
      parse: bucketRules,
      default: {},
      description: 'Replaces single rules, such as `login.ip=60/60,register.ip=100/3600`.',
    }),
  },
  config: (rateLimit) => ({ rateLimit }),
  check({ enabled }, { production, problem }) {
    if (production && !enabled) problem('RATE_LIMIT must not be off when NODE_ENV=production');
  },
});
