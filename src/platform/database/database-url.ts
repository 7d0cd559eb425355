import { isIPv6 } from 'node:net';
import { accepting, urlOf } from '../setting-parsers.ts';

const MAX_SERVERS = 10;
const DEFAULT_PORT = 5432;

/** One server of a connection string. */
export interface DatabaseServer {
  readonly host: string;
  readonly port: number;
  /** Host and port as written, without credentials, for messages. */
  readonly name: string;
  /** The connection string with this server alone. */
  readonly url: string;
}

const oneServer = urlOf('postgres:', 'postgresql:');
const PARTS = /^(?<scheme>postgres(?:ql)?:\/\/)(?<authority>[^/?#]*)(?<rest>.*)$/i;
const SERVER = /^(?<host>\[[\da-f:.]+\]|[a-z\d._-]+)(?::(?<port>\d{1,5}))?$/i;
/**
 * Values of `target_session_attrs`. Each of them means the primary, because the gateway writes. Without the
 * parameter it is the same.
 */
const SESSIONS = ['any', 'read-write', 'primary'];

/** Parses DATABASE_URL and DATABASE_MIGRATION_URL. */
export const databaseUrl = accepting(
  '`postgresql://user:password@host:5432/database`, several hosts separated by commas',
  (value) => {
    serversOf(value);
    return value;
  },
);

/**
 * Lists the servers that a connection string names, in order: `user:password@db1:5432,db2:5432` (libpq, "Specifying
 * Multiple Hosts"). The last `@` ends the credentials, so a comma in a password is not a separator.
 * @throws {Error} whose message completes "NAME ...", and never quotes the connection string.
 */
export function serversOf(value: string): [DatabaseServer, ...DatabaseServer[]] {
  const { scheme = '', authority = '', rest = '' } = PARTS.exec(value)?.groups ?? {};
  const end = authority.lastIndexOf('@') + 1;
  const places = authority.slice(end).split(',');
  if (places.length > MAX_SERVERS) throw new Error(`must name at most ${MAX_SERVERS} servers`);
  const [first, ...others] =
    places.length === 1
      ? [theServer(value)]
      : places.map((place) => serverAt(place, `${scheme}${authority.slice(0, end)}${place}${rest}`));
  const { searchParams } = new URL((first as DatabaseServer).url);
  checkParameters(searchParams, others.length > 0);
  return [first as DatabaseServer, ...others];
}

function theServer(value: string): DatabaseServer {
  const { host, hostname, port } = new URL(oneServer(value));
  return { host: hostname, port: Number(port || DEFAULT_PORT), name: host, url: value };
}

function serverAt(place: string, url: string): DatabaseServer {
  const { host = '', port = String(DEFAULT_PORT) } = SERVER.exec(place)?.groups ?? {};
  const address = host.replace(/^\[(.*)\]$/, '$1');
  const isAddress = address === host || isIPv6(address);
  if (host === '' || !isAddress || Number(port) < 1 || Number(port) > 65_535) {
    throw new Error(
      'must name each server as host or host:port, with a comma between two: postgresql://user:password@db1:5432,db2:5432/gatehouse',
    );
  }
  return { host: address, port: Number(port), name: place, url: oneServer(url) };
}

function checkParameters(parameters: URLSearchParams, several: boolean): void {
  const session = parameters.get('target_session_attrs');
  if (session !== null && !SESSIONS.includes(session)) {
    throw new Error(`must ask for a primary: target_session_attrs must be one of ${SESSIONS.join(', ')}`);
  }
  const elsewhere = ['host', 'port'].filter((name) => parameters.has(name));
  if (elsewhere.some((name) => several || parameters.get(name)?.includes(','))) {
    throw new Error('must name several servers before the path, without the parameters host and port');
  }
}
