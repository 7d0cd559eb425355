import { Counter } from '../telemetry/index.ts';

export const rateLimited = new Counter({
  name: 'gatehouse_rate_limited_total',
  help: 'Operations that were refused because a rate limit was used up, by the rule.',
  labels: ['rule'],
});
