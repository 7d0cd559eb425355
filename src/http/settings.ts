import { availableParallelism } from 'node:os';
import {
  type ComputedDefault,
  type Setting,
  type SettingRules,
  setting,
  settingsSection,
} from '../platform/setting-declaration.ts';
import { accepting, flag, wholeNumber } from '../platform/setting-parsers.ts';

const MOST = 1_000_000;
const count = wholeNumber({ min: 1, max: MOST });

const part = (whole: number, share: number): number => Math.max(1, Math.floor(whole * share));
/** @param text "half of" */
const partOf = (whole: Setting<number>, share: number, text: string): ComputedDefault<number> => ({
  text: `${text} \`${whole.name}\``,
  value: ({ of }) => part(of(whole), share),
});
/** Three quarters, and at least as many as one client may have. */
const forNetwork = (whole: Setting<number>, perClient: Setting<number>): ComputedDefault<number> => ({
  text: `three quarters of \`${whole.name}\``,
  value: ({ of }) => Math.max(of(perClient), part(of(whole), 3 / 4)),
});

/** More than cores of common servers, and few enough for the connections that each one opens. */
const MAX_WORKERS = 64;
const anyWorkers = wholeNumber({ min: 1, max: MAX_WORKERS });
const workers = accepting(`1 to ${MAX_WORKERS}, or \`auto\``, (value) =>
  value === 'auto' ? Math.min(MAX_WORKERS, availableParallelism()) : anyWorkers(value),
);

const MAX_CONNECTIONS = setting('MAX_CONNECTIONS', {
  parse: wholeNumber({ min: 10, max: MOST }),
  default: 8_000,
  description:
    'Open connections of one process, as in all of these budgets. Each takes about 20 kB. Keep it below the limit of open files. See [budgets](#budgets-of-connections).',
});
const MAX_CONNECTIONS_PER_CLIENT = setting('MAX_CONNECTIONS_PER_CLIENT', {
  parse: count,
  defaultFrom: partOf(MAX_CONNECTIONS, 1 / 2, 'half of'),
  description: 'Connections of one IPv4 address or one IPv6 /64.',
});
const MAX_WEBSOCKETS = setting('MAX_WEBSOCKETS', {
  parse: count,
  defaultFrom: partOf(MAX_CONNECTIONS, 1 / 4, 'a quarter of'),
  description: 'WebSockets among these connections, at most half of `MAX_CONNECTIONS`.',
});
const MAX_WEBSOCKETS_PER_CLIENT = setting('MAX_WEBSOCKETS_PER_CLIENT', {
  parse: count,
  defaultFrom: partOf(MAX_WEBSOCKETS, 1 / 2, 'half of'),
  description: 'WebSockets of one IPv4 address or one IPv6 /64.',
});

/**
 * The HTTP server. The budgets of connections have room for an office of 300 people behind one IPv4 address: six
 * connections of each browser and three sockets of each person are 2,700 connections, 900 of them sockets.
 */
export const HTTP_SETTINGS = settingsSection({
  title: 'Server',
  settings: {
    workers: setting('WORKERS', {
      parse: workers,
      default: 1,
      description:
        'Processes that share the port. `auto` is one for each processor. See [workers](operations/workers.md).',
    }),
    requireRequestId: setting('REQUIRE_REQUEST_ID', {
      parse: flag,
      default: false,
      description: 'Whether a request without a well-formed [request id](#request-ids) gets 400.',
    }),
    requestMaxAgeSeconds: setting('REQUEST_MAX_AGE_SECONDS', {
      parse: wholeNumber({ min: 1, max: 60 }),
      default: 10,
      description:
        'Seconds in which a request must be answered, from its arrival on, including its body, waiting and work. An older request is refused with 503 before it has an effect. See [design](design/http.md#the-deadline-of-a-request).',
    }),
    shutdownDelaySeconds: setting('SHUTDOWN_DELAY_SECONDS', {
      parse: wholeNumber({ min: 0, max: 120 }),
      defaultFrom: { text: '`0`; `5` in production', value: ({ production }) => (production ? 5 : 0) },
      description:
        'Seconds between the begin of a stop, when readiness turns red, and the refusal of new connections. It should be longer than the interval of the probes.',
    }),
    maxConnections: MAX_CONNECTIONS,
    maxConnectionsPerClient: MAX_CONNECTIONS_PER_CLIENT,
    maxConnectionsPerNetwork: setting('MAX_CONNECTIONS_PER_NETWORK', {
      parse: count,
      defaultFrom: forNetwork(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_CLIENT),
      description: 'Connections of one IPv6 /48.',
    }),
    maxWebSockets: MAX_WEBSOCKETS,
    maxWebSocketsPerClient: MAX_WEBSOCKETS_PER_CLIENT,
    maxWebSocketsPerNetwork: setting('MAX_WEBSOCKETS_PER_NETWORK', {
      parse: count,
      defaultFrom: forNetwork(MAX_WEBSOCKETS, MAX_WEBSOCKETS_PER_CLIENT),
      description: 'WebSockets of one IPv6 /48.',
    }),
    maxAnonymousWebSockets: setting('MAX_ANONYMOUS_WEBSOCKETS', {
      parse: count,
      defaultFrom: partOf(MAX_WEBSOCKETS, 4 / 5, 'four fifths of'),
      description: 'WebSockets without a credential. The rest is left to people who are signed in.',
    }),
    maxWebSocketsPerAccount: setting('MAX_WEBSOCKETS_PER_ACCOUNT', {
      parse: count,
      default: 20,
      description: 'WebSockets of one account, from all of its devices and networks.',
    }),
  },
  config: (of) => ({
    http: {
      workers: of.workers,
      requireRequestId: of.requireRequestId,
      requestMaxAgeSeconds: of.requestMaxAgeSeconds,
      shutdownDelaySeconds: of.shutdownDelaySeconds,
      connections: {
        total: of.maxConnections,
        perClient: of.maxConnectionsPerClient,
        perNetwork: of.maxConnectionsPerNetwork,
      },
      sockets: {
        total: of.maxWebSockets,
        perClient: of.maxWebSocketsPerClient,
        perNetwork: of.maxWebSocketsPerNetwork,
        anonymous: of.maxAnonymousWebSockets,
        perAccount: of.maxWebSocketsPerAccount,
      },
    },
  }),
  check(of, rules) {
    if (of.maxWebSockets > of.maxConnections / 2) {
      rules.problem('MAX_WEBSOCKETS must be at most half of MAX_CONNECTIONS: sockets stay open for ever');
    }
    notLarger(
      rules,
      ['MAX_ANONYMOUS_WEBSOCKETS', of.maxAnonymousWebSockets],
      ['MAX_WEBSOCKETS', of.maxWebSockets],
    );
    notLarger(
      rules,
      ['MAX_CONNECTIONS_PER_CLIENT', of.maxConnectionsPerClient],
      ['MAX_CONNECTIONS_PER_NETWORK', of.maxConnectionsPerNetwork],
    );
    notLarger(
      rules,
      ['MAX_WEBSOCKETS_PER_CLIENT', of.maxWebSocketsPerClient],
      ['MAX_WEBSOCKETS_PER_NETWORK', of.maxWebSocketsPerNetwork],
    );
  },
});

type Named = readonly [name: string, value: number];
function notLarger(rules: SettingRules, [name, value]: Named, [larger, most]: Named): void {
  if (value > most) rules.problem(`${name} must not be larger than ${larger}`);
}
