import { nearest } from '../edit-distance.ts';
import { accepting } from '../setting-parsers.ts';

/** A token bucket: `burst` tokens at most, refilled evenly so that an empty one is full after `perSeconds`. */
export interface BucketRule {
  readonly burst: number;
  readonly perSeconds: number;
}

/** A rule as it is declared next to the operation that it guards. */
export interface DeclaredRule extends BucketRule {
  /** For a rule that ends in `.ip`: what the wider networks of an IPv6 client have; SHARED unless it says so. */
  readonly wider?: WiderNetworks;
}

/** Burst and rate of an IPv6 network, as a multiple of what its /64 has. */
export interface WiderNetworks {
  readonly '/56': number;
  readonly '/48': number;
}

/**
 * A household or an office has a /56 or a /48 and may use every /64 in it (RFC 6177, RIPE-690), so both are bounded. But
 * some providers give each phone or server a /64 alone: their customers share the /48, as they share one IPv4 address
 * behind a carrier's NAT. So it has more than a single client, and one /64 cannot spend all of it.
 */
export const SHARED: WiderNetworks = { '/56': 2, '/48': 4 };

/**
 * For what is worth doing in bulk and is done once by honest people: 65,536 networks of /64 are free of charge, and an
 * honest neighbour is seldom there in the same hour.
 */
export const SCARCE: WiderNetworks = { '/56': 1.2, '/48': 1.4 };

/** How far a misspelt name may be from the rule that the error suggests. */
const MAX_EDITS = 2;

/**
 * Parses RATE_LIMIT_RULES: `login.ip=30/60,login.ip/48=60/60` (burst / seconds until full again). A name that
 * ends in `/56` or `/48` sets what that IPv6 network has. `unknownRules` tells which names no module declares.
 */
export const bucketRules = accepting(
  'comma list of `RULE=BURST/SECONDS`',
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
 * @returns what is wrong with the names, as the end of a sentence; undefined when all of them are known
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
