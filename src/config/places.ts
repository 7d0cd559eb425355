import { wholeNumber } from '../platform/setting-parsers.ts';
import type { SettingsReader } from '../platform/settings.ts';

/** How many connections or WebSockets one process holds at once, and how many of them one client. */
export interface PlaceSettings {
  readonly total: number;
  /** Of one IPv4 address, or one IPv6 /64. */
  readonly perClient: number;
  /** Of one IPv6 /48. */
  readonly perNetwork: number;
}

export interface SocketSettings extends PlaceSettings {
  /** Of `total`, those without a credential. */
  readonly anonymous: number;
  /** Of one account, from all of its clients. */
  readonly perAccount: number;
}

const MOST = 1_000_000;
const part = (whole: number, share: number): number => Math.max(1, Math.floor(whole * share));

/**
 * The defaults have room for an office of 300 people behind one IPv4 address: six connections of each browser and three
 * sockets of each person are 2,700 connections, 900 of them sockets.
 */
export function readPlaces(read: SettingsReader): { connections: PlaceSettings; sockets: SocketSettings } {
  const connections = placesOf(read, 'CONNECTIONS', { least: 10, standard: 8_000 });
  const sockets = placesOf(read, 'WEBSOCKETS', { least: 1, standard: part(connections.total, 1 / 4) });
  if (sockets.total > connections.total / 2) {
    read.problem('MAX_WEBSOCKETS must be at most half of MAX_CONNECTIONS: sockets stay open for ever');
  }
  const anonymous = read.withDefault(
    'MAX_ANONYMOUS_WEBSOCKETS',
    wholeNumber({ min: 1, max: MOST }),
    part(sockets.total, 4 / 5),
  );
  if (anonymous > sockets.total)
    read.problem('MAX_ANONYMOUS_WEBSOCKETS must not be larger than MAX_WEBSOCKETS');
  const perAccount = read.withDefault('MAX_WEBSOCKETS_PER_ACCOUNT', wholeNumber({ min: 1, max: MOST }), 20);
  return { connections, sockets: { ...sockets, anonymous, perAccount } };
}

function placesOf(
  read: SettingsReader,
  kind: 'CONNECTIONS' | 'WEBSOCKETS',
  { least, standard }: { least: number; standard: number },
): PlaceSettings {
  const name = `MAX_${kind}`;
  const count = wholeNumber({ min: 1, max: MOST });
  const total = read.withDefault(name, wholeNumber({ min: least, max: MOST }), standard);
  const perClient = read.withDefault(`${name}_PER_CLIENT`, count, part(total, 1 / 2));
  const perNetwork = read.withDefault(`${name}_PER_NETWORK`, count, Math.max(perClient, part(total, 3 / 4)));
  if (perClient > perNetwork) read.problem(`${name}_PER_CLIENT must not be larger than ${name}_PER_NETWORK`);
  return { total, perClient, perNetwork };
}
