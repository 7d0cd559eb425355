import { nearest } from '../edit-distance.ts';
import { accepting } from '../setting-parsers.ts';

/** A token bucket: at most `burst` tokens, refilled evenly so that an empty bucket is full after `perSeconds`. */
export interface BucketRule {
  readonly burst: number;
  readonly perSeconds: number;
}

/** A rule as declared next to the operation that it guards. */
export interface DeclaredRule extends BucketRule {
  /** For a rule that ends in `.ip`: the limits of the wider networks of an IPv6 client. SHARED by default. */
  readonly wider?: WiderNetworks;
}

/** A rule with its row in docs/configuration.md. */
export interface DocumentedRule extends DeclaredRule {
  /** The unit that has a bucket of its own, in Markdown: "account, from all its sessions; failures only". */
  readonly counts: string;
}

/** Burst and rate of an IPv6 network, as a multiple of the burst and rate of its /64. */
export interface WiderNetworks {
  readonly '/56': number;
  readonly '/48': number;
}

/**
 * The default. A household or an office has a /56 or a /48 and may use every /64 in it (RFC 6177, RIPE-690), so both
 * are bounded. But some providers give each phone or server a single /64: their customers share the /48, as they share
 * one IPv4 address behind a carrier's NAT. So a /48 has more than a single client, and one /64 cannot use up all of it.
 */
export const SHARED: WiderNetworks = { '/56': 2, '/48': 4 };

/**
 * For operations that are worth abusing in bulk, and that honest people do once. The 65,536 networks of /64 cost
 * nothing, and an honest neighbour rarely needs the operation within the same hour.
 */
export const SCARCE: WiderNetworks = { '/56': 1.2, '/48': 1.4 };

/** Edits by which a misspelt name may differ from the rule that the error suggests. */
const MAX_EDITS = 2;

/**
 * Parses RATE_LIMIT_RULES: `login.ip=30/60,login.ip/48=60/60` (burst / seconds until full again). A name that
 * ends in `/56` or `/48` sets the limit of that IPv6 network. `unknownRules` finds the names that no module declares.
 */
export const bucketRules = accepting(
  'comma list of `rule=burst/seconds`',
  (value): Readonly<Record<string, BucketRule>> => {
    const rules: Record<string, BucketRule> = {};
    for (const item of value.split(',')) {
      const match = /^\s*([a-zA-Z.]+(?:(?<=\.ip)\/(?:56|48))?)=(\d{1,6})\/(\d{1,6})\s*$/.exec(item);
      const [, name, burst, perSeconds] = match ?? [];
      if (name === undefined || Number(burst) < 1 || Number(perSeconds) < 1) {
        throw new Error('must be a comma list of RULE=BURST/SECONDS, such as login.ip=30/60');
      }
      rules[name] = { burst: Number(burst), perSeconds: Number(perSeconds) };
    }
    return rules;
  },
);

/**
 * @param overrides by the names in RATE_LIMIT_RULES
 * @param known the rules that modules declare
 * @returns the problem with the names, as the end of a sentence; undefined when all are known
 */
export function unknownRules(
  overrides: Readonly<Record<string, BucketRule>>,
  known: readonly string[],
): string | undefined {
  const named = Object.keys(overrides).map((name) => name.replace(/\/\d+$/, ''));
  const unknown = [...new Set(named)].filter((rule) => !known.includes(rule));
  if (unknown.length === 0) return undefined;
  const meant = unknown.flatMap((rule) => nearest(rule, known, MAX_EDITS) ?? []);
  return meant.length > 0
    ? `names a rule that does not exist: did you mean ${meant.join(', ')}?`
    : `names a rule that does not exist; there are ${known.join(', ')}`;
}
