import { createServer } from 'node:net';
import { type Check, fail, ok, warn } from '../doctor/check.ts';
import { listens, type Reached, reach } from '../doctor/reach.ts';
import type { SERVER_SETTINGS } from '../server-settings.ts';
import type { ConfigOf } from '../setting-declaration.ts';
import type { TELEMETRY_SETTINGS } from './settings.ts';
import { TELEMETRY_PACKAGES } from './start.ts';

type Config = ConfigOf<typeof SERVER_SETTINGS | typeof TELEMETRY_SETTINGS>;

const packages: Check<Config> = {
  name: 'telemetry.packages',
  run({ config: { telemetry } }) {
    const values = {
      OTEL_EXPORTER_OTLP_ENDPOINT: telemetry.otlpEndpoint,
      METRICS_PORT: telemetry.metricsPort,
      SENTRY_DSN: telemetry.sentryDsn,
    };
    const settings = (['OTEL_EXPORTER_OTLP_ENDPOINT', 'METRICS_PORT', 'SENTRY_DSN'] as const).filter(
      (setting) => values[setting] !== undefined,
    );
    if (settings.length === 0) return null;
    const missing = settings.flatMap((setting) =>
      TELEMETRY_PACKAGES[setting].filter((name) => !isInstalled(name)).map((name) => ({ setting, name })),
    );
    const [first] = missing;
    return first === undefined
      ? ok('The optional packages of traces, metrics and error reports are installed.')
      : fail(
          `${first.setting} is set, but packages that it needs are not installed, so the gateway does not start.`,
          `Run: npm install ${missing.map(({ name }) => name).join(' ')}`,
        );
  },
};

function isInstalled(name: string): boolean {
  try {
    return import.meta.resolve(name) !== '';
  } catch {
    return false;
  }
}

const metrics: Check<Config> = {
  name: 'telemetry.metrics',
  async run({ config: { telemetry, http } }) {
    const { metricsPort: port } = telemetry;
    if (port === undefined) return null;
    const host = http.host === '0.0.0.0' ? '127.0.0.1' : http.host === '::' ? '::1' : http.host;
    if (await listens(host, port)) {
      const name = host.includes(':') ? `[${host}]` : host;
      const answer = await fetch(`http://${name}:${port}/metrics`, { signal: AbortSignal.timeout(3_000) })
        .then((response) => response.text())
        .catch(() => '');
      return answer.includes('gatehouse_')
        ? ok(`A gateway serves its metrics on port ${port}.`)
        : fail(
            `METRICS_PORT ${port} is taken by another program, so the gateway does not start.`,
            'Set METRICS_PORT to a free port.',
          );
    }
    const code = await openingError(http.host, port);
    return code === undefined
      ? ok(`Port ${port} is free for the metrics.`)
      : fail(
          `METRICS_PORT ${port} cannot be opened on ${http.host} (${code}).`,
          'Set METRICS_PORT to a port that this user may open.',
        );
  },
};

/** Opens a port and closes it at once. @returns the code of the error when it cannot be opened */
function openingError(host: string, port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const server = createServer();
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'an error'));
  server.listen(port, host, () => server.close(() => resolve(undefined)));
  return promise;
}

const traces: Check<Config> = {
  name: 'telemetry.traces',
  async run({ config: { telemetry } }) {
    const { otlpEndpoint } = telemetry;
    if (otlpEndpoint === undefined) return null;
    // An export without spans (OTLP specification, section "OTLP/HTTP Request").
    const answer = await reach(`${otlpEndpoint.replace(/\/$/, '')}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf' },
      body: new Uint8Array(),
    });
    return 'status' in answer && answer.status < 300
      ? ok('The receiver of traces accepts an export.')
      : warn(
          `OTEL_EXPORTER_OTLP_ENDPOINT: the receiver ${describe(answer)}, so traces are lost.`,
          'Start the receiver, and name its base for OTLP over HTTP, usually port 4318.',
        );
  },
};

const errors: Check<Config> = {
  name: 'telemetry.errors',
  async run({ config: { telemetry } }) {
    const { sentryDsn } = telemetry;
    if (sentryDsn === undefined) return null;
    // The origin alone: it answers without the key, and nothing is reported.
    const answer = await reach(new URL(sentryDsn).origin);
    return 'status' in answer && answer.status < 500
      ? ok('The receiver of error reports answers.')
      : warn(
          `SENTRY_DSN: the receiver ${describe(answer)}, so error reports are lost.`,
          'See that the host in SENTRY_DSN is right and reachable from here.',
        );
  },
};

const describe = (answer: Reached): string =>
  'status' in answer ? `answers ${answer.status}` : `cannot be reached (${answer.reason})`;

export const TELEMETRY_CHECKS = [packages, metrics, traces, errors] as const;
