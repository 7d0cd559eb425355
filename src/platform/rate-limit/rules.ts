import { nearest } from '../edit-distance.ts';
import type { Parser } from '../settings.ts';

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
 * For RATE_LIMIT_RULES: `login.ip=30/60,login.ip/48=60/60` (burst / seconds until full again). A name that
 * ends in `/56` or `/48` sets what that IPv6 network has.
 * @param known the rules that there are; undefined: every name is taken
 */
export function bucketRules(known: readonly string[] | undefined): Parser<Record<string, BucketRule>> {
  return (value) => {
    const rules: Record<string, BucketRule> = {};
    const unknown = new Set<string>();
    for (const item of value.split(',')) {
      const match = /^\s*(([a-zA-Z.]+)(?:(?<=\.ip)\/(?:56|48))?)=(\d{1,6})\/(\d{1,6})\s*$/.exec(item);
      const [, name, rule = '', burst, perSeconds] = match ?? [];
      if (name === undefined || Number(burst) < 1 || Number(perSeconds) < 1) {
        throw new Error('must be a comma list of RULE=BURST/SECONDS, such as login.ip=30/60');
      }
      if (known && !known.includes(rule)) unknown.add(rule);
      rules[name] = { burst: Number(burst), perSeconds: Number(perSeconds) };
    }
    if (known && unknown.size > 0) throw new Error(unknownRule([...unknown], known));
    return rules;
  };
}

/** Names the rules that may be meant, not what the setting says. */
function unknownRule(unknown: readonly string[], known: readonly string[]): string {
  const meant = unknown.flatMap((rule) => nearest(rule, known, MAX_EDITS) ?? []);
  return meant.length > 0
    ? `names a rule that does not exist: did you mean ${meant.join(', ')}?`
    : `names a rule that does not exist; there are ${known.join(', ')}`;
}
