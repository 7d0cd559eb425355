export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** The address of Redis in REDIS_URL. */
export interface RedisAddress {
  /** The kind of the nodes: Redis itself, Sentinels that know the primary, or some nodes of a cluster. */
  readonly kind: 'node' | 'sentinel' | 'cluster';
  readonly nodes: readonly Endpoint[];
  /** Name of the primary at the Sentinels; empty without Sentinels. */
  readonly primaryName: string;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

const FORM =
  /^redis(?<tls>s?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<user>[^@/?#]*)@)?(?<nodes>[^@/?#]+)(?<path>\/[^?#]*)?$/;
const DEFAULT_PORT = { node: 6379, sentinel: 26_379, cluster: 6379 };
/** The allowed paths. Any other path is refused, since ignoring it would mislead the operator. */
const PATH = {
  node: {
    form: /^\/?(?<database>\d{0,4})$/,
    rule: 'may have only a database number after the host, such as redis://host:6379/1',
  },
  sentinel: {
    form: /^\/(?<primary>[\w.-]+)(?:\/(?<database>\d{1,4}))?$/,
    rule: 'must have the name of the primary after the hosts, and may have a database number, such as redis+sentinel://a:26379,b:26379/main/1',
  },
  cluster: { form: /^\/?$/, rule: 'must end after the hosts: a cluster has no databases' },
};

/**
 * Parses `redis://user:password@host:6379/0`, `redis+sentinel://user:password@a:26379,b:26379/NAME/0` and
 * `redis+cluster://user:password@a:6379,b:6379`; with TLS, `rediss` instead of `redis`.
 * @throws {Error} that says what is wrong without repeating the address, which may contain a password.
 */
export function redisAddress(value: string): RedisAddress {
  const { tls, kind = 'node', user, nodes = '', path = '' } = FORM.exec(value)?.groups ?? {};
  if (nodes === '') {
    throw new Error(
      'must be like redis://host, redis+sentinel://host,host/NAME or redis+cluster://host,host',
    );
  }
  if (kind !== 'node' && kind !== 'sentinel' && kind !== 'cluster') throw new Error('has an unknown form');
  const inPath = PATH[kind].form.exec(path);
  if (!inPath) throw new Error(`${PATH[kind].rule}. Parameters are not allowed`);
  const hosts = nodes.split(',').map((node) => hostAndPort(node, DEFAULT_PORT[kind]));
  if (kind === 'node' && hosts.length > 1) {
    throw new Error('names several hosts: use redis+sentinel:// or redis+cluster://');
  }
  return {
    kind,
    nodes: hosts,
    primaryName: inPath.groups?.primary ?? '',
    tls: tls === 's',
    ...credentials(user),
    database: Number(inPath.groups?.database ?? 0),
  };
}

function hostAndPort(node: string, defaultPort: number): Endpoint {
  const url = URL.parse(`redis://${node}`);
  if (!url || url.hostname === '') throw new Error('has an invalid host');
  // Only URLs have brackets around an IPv6 address.
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || defaultPort) };
}

function credentials(user: string | undefined): Pick<RedisAddress, 'username' | 'password'> {
  if (user === undefined) return { username: undefined, password: undefined };
  const [name = '', ...rest] = user.split(':');
  try {
    return {
      username: decodeURIComponent(name) || undefined,
      password: decodeURIComponent(rest.join(':')) || undefined,
    };
  } catch {
    throw new Error('has a name or password that is not percent-encoded correctly');
  }
}
