import { isIP, isIPv6, SocketAddress } from 'node:net';

/**
 * Returns an IP in its canonical form: without the port that some proxies append, without a zone, and as IPv4 when it
 * was mapped into IPv6 (RFC 4291 section 2.5.5.2). All spellings of mapped addresses are in one /64.
 * @returns null for text that is not an IP.
 */
export function bareAddress(text: string): string | null {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text;
  if (!isIPv6(bare)) return isIP(bare) === 0 ? null : bare;
  // inet_ntop(3) writes every mapped address in this form.
  const canonical = new SocketAddress({ address: bare, family: 'ipv6' }).address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1] ?? canonical;
}

/**
 * Prefix lengths, in bits, by which IPv6 clients are counted, the narrowest first. A host or a household has at least a
 * /64. Customers get a /56 or a /48 (RFC 6177, RIPE-690), so one client may use every /64 in it.
 */
const IPV6_PREFIXES = [64, 56, 48] as const;
const GROUP_BITS = 16;

/** The networks of one client, the narrowest first. */
export type ClientNetworks = readonly [string, ...string[]];

/**
 * The networks in which a bare IP is counted, the narrowest first: the IPv4 address itself, or the /64, the /56 and the
 * /48 of an IPv6 address. Clients without an IP share one network. `RequestSource` has the networks of a request.
 */
export function networksOf(address: string | null): ClientNetworks {
  if (address === null) return [''];
  const bare = address.split('%')[0] ?? address;
  if (!isIPv6(bare)) return [address];
  const groups = expand(bare);
  const [narrowest, ...wider] = IPV6_PREFIXES.map((bits) => `${prefixOf(groups, bits)}::/${bits}`);
  return [narrowest as string, ...wider];
}

/** The narrowest network of an IP: an IPv4 address, or the /64 of an IPv6 address. */
export const networkOf = (address: string): string => networksOf(address)[0];

/** The first bits of an IPv6 address, in whole groups. Bits of the last group beyond the prefix are zero. */
function prefixOf(groups: readonly string[], bits: number): string {
  const whole = Math.floor(bits / GROUP_BITS);
  const prefix = groups.slice(0, whole);
  const rest = bits % GROUP_BITS;
  if (rest > 0) {
    const mask = (0xffff << (GROUP_BITS - rest)) & 0xffff;
    prefix.push((Number.parseInt(groups[whole] ?? '0', 16) & mask).toString(16));
  }
  return prefix.join(':');
}

function expand(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...gap, ...right].map((group) => Number.parseInt(group, 16).toString(16));
}
