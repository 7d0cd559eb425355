import { RateLimited } from '../errors.ts';
import { rateLimited } from './metrics.ts';
import { type BucketRule, type DeclaredRule, SHARED, type WiderNetworks } from './rules.ts';
import type { Bucket, TokenBuckets } from './token-bucket.ts';

/** Rules with their defaults, declared next to the operation that they guard. */
export type RuleTable = Readonly<Record<string, DeclaredRule>>;

/**
 * A rule and its subject. A rule that ends in `.ip` counts the networks of a client (`RequestSource`), or some of them.
 * Any other rule counts one subject, such as an account.
 */
export type Charge<Rule extends string> = Rule extends `${string}.ip`
  ? readonly [rule: Rule, networks: readonly string[]]
  : readonly [rule: Rule, subject: string];

interface NamedBucket extends Bucket {
  readonly name: string;
}

/**
 * Charges sensitive operations. An operation calls it once for each executed field, before any costly work: a limit in
 * the HTTP layer would count a document with fifty aliased logins as one attempt.
 *
 * A capability gets it with the names of its own rules, so that charging any other rule does not compile.
 */
export class RateLimiter<in Rule extends string> {
  constructor(
    private readonly buckets: TokenBuckets,
    private readonly options: {
      readonly enabled: boolean;
      readonly rules: RuleTable;
      readonly overrides: Readonly<Record<string, BucketRule>>;
    },
  ) {}

  /** The configured rule, for counts that are kept elsewhere; null while limits are off. */
  rule(name: Rule): BucketRule | null {
    const rule = this.options.overrides[name] ?? this.declared(name);
    return this.options.enabled ? rule : null;
  }

  /**
   * @param charges in the order in which they are charged. The first empty bucket ends the charging: a client whose IP
   * is refused cannot empty the bucket of another person's account. The networks of a client are one step: when one of
   * them is empty, nothing is taken from the others.
   * @throws {RateLimited} when a bucket is empty.
   */
  async charge(...charges: ReadonlyArray<Charge<Rule>>): Promise<void> {
    for (const [rule, subjects] of charges) {
      const buckets = this.bucketsOf(rule, subjects);
      if (!this.options.enabled || buckets.length === 0) continue;
      const waits = await this.buckets.take(buckets);
      const wait = Math.max(...waits);
      if (wait > 0) {
        rateLimited.add({ rule });
        throw new RateLimited(wait, `the bucket ${buckets[waits.indexOf(wait)]?.name} is empty`);
      }
    }
  }

  /**
   * Refunds charges of an attempt that should not count. Call it only when the proof was right: otherwise guessing
   * would be unlimited. Refund only what this attempt was charged.
   * @param charges the same as in the call of `charge`
   */
  async giveBack(...charges: ReadonlyArray<Charge<Rule>>): Promise<void> {
    if (!this.options.enabled) return;
    for (const [rule, subjects] of charges) {
      for (const bucket of this.bucketsOf(rule, subjects)) await this.buckets.giveBack(bucket);
    }
  }

  private declared(name: string): DeclaredRule {
    const rule = this.options.rules[name];
    if (!rule) throw new Error(`no rate limit rule is called ${name}`);
    return rule;
  }

  private bucketsOf(rule: string, subjects: string | readonly string[]): NamedBucket[] {
    const listed = typeof subjects === 'string' ? [subjects] : subjects;
    const group = `${rule}:${listed.at(-1)}`;
    return listed.map((subject) => {
      const name = rule + (typeof subjects === 'string' ? '' : widthOf(subject));
      return { name, key: `${name}:${subject}`, group, rule: this.ruleOfNetwork(rule, name) };
    });
  }

  /**
   * The rule of a network. An override of the narrowest network also scales the wider ones, unless they have their own.
   */
  private ruleOfNetwork(rule: string, name: string): BucketRule {
    const declared = this.declared(rule);
    const narrowest = this.options.overrides[rule] ?? declared;
    if (name === rule) return narrowest;
    const width = name.slice(rule.length) as keyof WiderNetworks;
    const burst = Math.round(narrowest.burst * (declared.wider ?? SHARED)[width]);
    return this.options.overrides[name] ?? { burst, perSeconds: narrowest.perSeconds };
  }
}

/** `/56` or `/48` for a wider network; empty for the narrowest network of a client. */
const widthOf = (network: string): string => /\/(?:56|48)$/.exec(network)?.[0] ?? '';
