import { BlockList, isIPv6 } from 'node:net';
import type { PlatformSettings } from '../platform/compose.ts';
import { type Check, fail, failIn, ok, warn } from '../platform/doctor/index.ts';
import { listens } from '../platform/doctor/reach.ts';

type HttpCheck = Check<PlatformSettings>;

/** Networks that no client on the internet has (RFC 1918, 6598, 3927, 4193, 4291). Any part of them may be trusted. */
const PRIVATE = (
  [
    ['10.0.0.0', 8, 'ipv4'],
    ['172.16.0.0', 12, 'ipv4'],
    ['192.168.0.0', 16, 'ipv4'],
    ['127.0.0.0', 8, 'ipv4'],
    ['169.254.0.0', 16, 'ipv4'],
    ['100.64.0.0', 10, 'ipv4'],
    ['fc00::', 7, 'ipv6'],
    ['fe80::', 10, 'ipv6'],
  ] as const
).map(([network, bits, family]) => {
  const list = new BlockList();
  list.addSubnet(network, bits, family);
  return { list, bits, family };
});

/**
 * Shortest prefix, in bits, of a public network that TRUSTED_PROXIES may name. The widest networks of CDNs have 12
 * and 29.
 */
const FEWEST_BITS = { ipv4: 12, ipv6: 24 };

/** Whether a network holds so many public addresses that strangers have some of them. */
function isTooWide(network: string): boolean {
  const [address = '', prefix] = network.split('/');
  if (prefix === undefined) return false;
  const written = isIPv6(address) ? 'ipv6' : 'ipv4';
  // ::ffff:0:0/96 is all of IPv4 (RFC 4291 section 2.5.5.2).
  const isMapped = /^::ffff:/i.test(address) && Number(prefix) >= 96;
  const bits = isMapped ? Number(prefix) - 96 : Number(prefix);
  const family = isMapped ? 'ipv4' : written;
  if (bits >= FEWEST_BITS[family]) return false;
  return !PRIVATE.some(
    (part) => part.family === family && bits >= part.bits && part.list.check(address, written),
  );
}

const proxies: HttpCheck = {
  name: 'http.proxies',
  run({ config: { http, production } }) {
    const { trustedProxies, publicUrl } = http;
    const wide = trustedProxies.filter(isTooWide);
    if (wide.length > 0)
      return fail(
        `TRUSTED_PROXIES has ${wide.join(' and ')}, so clients on the internet can forge their IP address.`,
        'Name only the addresses or networks of your proxies.',
      );
    if (trustedProxies.length > 0) return ok('TRUSTED_PROXIES names the proxies.');
    if (!publicUrl.startsWith('https:')) return ok('No proxy is needed: PUBLIC_URL is plain http.');
    return failIn(production)(
      'PUBLIC_URL is https, so a proxy stands in front, but TRUSTED_PROXIES is not set: all clients count as one and share each rate limit.',
      'Set TRUSTED_PROXIES to the addresses from which the proxy connects.',
    );
  },
};

const origins: HttpCheck = {
  name: 'http.origins',
  run({ config: { http, production } }) {
    const plain = http.clientOrigins.filter((origin) => origin.startsWith('http:'));
    return production && http.publicUrl.startsWith('https:') && plain.length > 0
      ? warn(
          `CLIENT_ORIGIN has ${plain.join(' and ')}: pages that anyone serves there without TLS may call this gateway.`,
          'Remove the http origins from CLIENT_ORIGIN in production.',
        )
      : ok('CLIENT_ORIGIN fits PUBLIC_URL.');
  },
};

/** Milliseconds for an answer of the gateway. */
const ANSWER_WITHIN = 3_000;

const port: HttpCheck = {
  name: 'http.port',
  async run({ config: { http } }) {
    const url = new URL(http.localUrl);
    if (!(await listens(url.hostname.replace(/^\[(.*)\]$/, '$1'), http.port)))
      return ok(`No gateway runs here: port ${http.port} is free.`);
    const signal = AbortSignal.timeout(ANSWER_WITHIN);
    const answer = await fetch(new URL('/health/ready', url), { signal })
      .then((response) => response.json() as Promise<{ status?: unknown; parts?: Record<string, unknown> }>)
      .catch(() => undefined);
    if (typeof answer?.status !== 'string')
      return fail(
        `PORT ${http.port} is taken by another program, or by a gateway that does not answer.`,
        'End that program, or set PORT to a free port.',
      );
    const away = Object.entries(answer.parts ?? {}).filter(([, state]) => state === 'away');
    return away.length === 0
      ? ok(`A gateway runs on port ${http.port}.`)
      : fail(
          `The gateway on port ${http.port} is not ready: ${away.map(([part]) => part).join(' and ')} is away.`,
          'See the checks of that part, and the log of the gateway.',
        );
  },
};

export const HTTP_CHECKS = [proxies, origins, port] as const;
