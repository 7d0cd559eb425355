import { isIP, isIPv6, SocketAddress } from 'node:net';

/**
 * The bare address: without the port that some proxies write behind it, and as IPv4 where it was mapped into IPv6
 * (RFC 4291 section 2.5.5.2), however that is spelt: all of them are in one /64. @returns null for what is no address.
 */
export function bareAddress(text: string): string | null {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text;
  if (!isIPv6(bare)) return isIP(bare) === 0 ? null : bare;
  // inet_ntop(3) writes every mapped address in this one form.
  const canonical = new SocketAddress({ address: bare, family: 'ipv6' }).address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1] ?? bare;
}

/** 16-bit groups of the /64 that a household or a host usually has for itself (RFC 6177). */
const PREFIX_GROUPS = 4;

/**
 * What a bare address is counted as: an IPv4 address, or the /64 network of an IPv6 address, since whoever has one
 * address of it has all of them.
 */
export function networkOf(address: string): string {
  const bare = address.split('%')[0] ?? address;
  if (!isIPv6(bare)) return address;
  return `${expand(bare).slice(0, PREFIX_GROUPS).join(':')}::/64`;
}

function expand(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...gap, ...right].map((group) => Number.parseInt(group, 16).toString(16));
}
