import { RateLimited } from '../errors.ts';
import { InvalidSettings } from '../settings.ts';
import type { BucketRule } from './rules.ts';
import type { TokenBuckets } from './token-bucket.ts';

/** Rules with their defaults, declared next to the operation that they guard. */
export type RuleTable = Readonly<Record<string, BucketRule>>;

/**
 * Charges sensitive operations. It is called in the operation, once for each executed field, and before anything
 * costly: a limit in the HTTP layer would count a document with fifty aliased logins as one attempt.
 */
export class RateLimiter {
  constructor(
    private readonly buckets: TokenBuckets,
    private readonly options: {
      readonly enabled: boolean;
      readonly rules: RuleTable;
      readonly overrides: RuleTable;
    },
  ) {
    const unknown = Object.keys(options.overrides).filter((name) => !(name in options.rules));
    if (unknown.length > 0) {
      const known = Object.keys(options.rules).join(', ');
      throw new InvalidSettings([`RATE_LIMIT_RULES names a rule that does not exist; there are ${known}`]);
    }
  }

  /** The rule as it is configured, for what is counted elsewhere; null while limits are off. */
  rule(name: string): BucketRule | null {
    const rule = this.options.overrides[name] ?? this.options.rules[name];
    if (!rule) throw new Error(`no rate limit rule is called ${name}`);
    return this.options.enabled ? rule : null;
  }

  /**
   * @param charges rule name and what is counted under it, such as an address or an account, in the order in which
   *   they are charged. The first empty bucket ends it: somebody whose address is refused cannot empty the bucket
   *   of an account that is not theirs.
   * @throws {RateLimited} when a bucket is empty.
   */
  async charge(charges: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, subject] of Object.entries(charges)) {
      const rule = this.rule(name);
      if (!rule) return;
      const wait = await this.buckets.take(`${name}:${subject}`, rule);
      if (wait > 0) throw new RateLimited(wait, `the bucket ${name} is empty`);
    }
  }

  /**
   * For an attempt that turned out to be none: call it only where the proof was right, or whoever guesses never runs
   * out. What was not spent on this attempt is not given back.
   * @param charges as they were charged.
   */
  async giveBack(charges: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, subject] of Object.entries(charges)) {
      const rule = this.rule(name);
      if (rule) await this.buckets.giveBack(`${name}:${subject}`, rule);
    }
  }
}
