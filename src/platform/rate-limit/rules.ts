import type { Parser } from '../settings.ts';

/** A token bucket: `burst` tokens at most, refilled evenly so that an empty one is full after `perSeconds`. */
export interface BucketRule {
  readonly burst: number;
  readonly perSeconds: number;
}

/** Parses RATE_LIMIT_RULES: `login.address=30/60,register.address=5/3600` (burst / seconds until full again). */
export const bucketRules: Parser<Record<string, BucketRule>> = (value) => {
  const rules: Record<string, BucketRule> = {};
  for (const item of value.split(',')) {
    const match = /^\s*([a-zA-Z.]+)=(\d{1,6})\/(\d{1,6})\s*$/.exec(item);
    const [, name, burst, perSeconds] = match ?? [];
    if (name === undefined || Number(burst) < 1 || Number(perSeconds) < 1) {
      throw new Error('must be a comma list of RULE=BURST/SECONDS, such as login.address=30/60');
    }
    rules[name] = { burst: Number(burst), perSeconds: Number(perSeconds) };
  }
  return rules;
};
