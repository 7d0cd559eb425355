import { CannotStart } from '../cannot-start.ts';
import { errorReports, startErrorReports } from './error-reports.ts';
import type { Metric } from './metrics.ts';
import type { WorkersHealth } from './metrics-server.ts';
import type { Snapshot } from './prometheus.ts';
import type { MetricsSource, SummedMetrics } from './summed-metrics.ts';
import { startTracing, tracing } from './tracing.ts';

export interface TelemetryOptions {
  /** Base of an OTLP/HTTP receiver; undefined: nothing is traced, and OpenTelemetry is not loaded. */
  readonly otlpEndpoint: string | undefined;
  readonly serviceName: string;
  readonly version: string;
  /** Port of `/metrics`; undefined: nothing is collected, and prom-client is not loaded. */
  readonly metricsPort: number | undefined;
  readonly host: string;
  /** Every metric that the modules declare. */
  readonly metrics: readonly Metric[];
  readonly environment: string;
  /** Undefined: unexpected errors go to the log only, and Sentry's package is not loaded. */
  readonly sentryDsn: string | undefined;
  /** Fraction of the traces that are recorded, 0 to 1. */
  readonly sampled: number;
  /** By default the process is alone. */
  readonly role?: MetricsRole;
}

/**
 * The role of a process in serving the metrics of its gateway. The only process of a gateway serves its own. A worker
 * gives its metrics to the primary, which adds up those of all workers. The primary has no spans.
 */
export type MetricsRole =
  | { readonly kind: 'alone' }
  | { readonly kind: 'worker'; readonly offer: (snapshot: () => Promise<Snapshot>) => void }
  | {
      readonly kind: 'primary';
      readonly sources: () => readonly MetricsSource[];
      /** Called with the sum, to tell it which workers have ended. */
      readonly sum: (sum: SummedMetrics) => void;
      readonly health: () => WorkersHealth;
    };

/** The packages of the `import()` below, by setting. They are optional: npm installs them only on request. */
export const TELEMETRY_PACKAGES = {
  OTEL_EXPORTER_OTLP_ENDPOINT: [
    '@opentelemetry/api',
    '@opentelemetry/exporter-trace-otlp-proto',
    '@opentelemetry/resources',
    '@opentelemetry/sdk-trace',
  ],
  METRICS_PORT: ['prom-client'],
  SENTRY_DSN: ['@sentry/core'],
} as const;

/**
 * Starts the telemetry that the settings turn on. Call it before the first connection and the first request.
 * @returns a function that ends it. It first exports the waiting data, for at most two seconds.
 * @throws {CannotStart} when a package is not installed, or the port of the metrics cannot be opened.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<() => Promise<void>> {
  const { otlpEndpoint: endpoint, version: serviceVersion, environment, sentryDsn: dsn } = options;
  if (endpoint !== undefined) {
    const { openTelemetry } = await optional(
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      () => import('./open-telemetry.ts'),
    );
    const { serviceName, sampled } = options;
    startTracing(openTelemetry({ endpoint, serviceName, serviceVersion, environment, sampled }));
  }
  if (dsn !== undefined) {
    const { sentry } = await optional('SENTRY_DSN', () => import('./sentry.ts'));
    startErrorReports(sentry({ dsn, environment, release: `gatehouse@${serviceVersion}` }));
  }
  const closeMetrics = await startMetrics(options);
  return async () => {
    await Promise.all([tracing().close(), errorReports().close(), closeMetrics()]);
  };
}

/** @throws {CannotStart} when the port cannot be opened. */
async function startMetrics({
  metricsPort: port,
  host,
  metrics,
  role = { kind: 'alone' },
}: TelemetryOptions): Promise<() => Promise<void>> {
  if (port === undefined) return async () => {};
  const { prometheus } = await optional('METRICS_PORT', () => import('./prometheus.ts'));
  if (role.kind === 'worker') {
    role.offer(prometheus(metrics).snapshot);
    return async () => {};
  }
  const { serveMetrics } = await import('./metrics-server.ts');
  const collector = role.kind === 'alone' ? prometheus(metrics) : await summed(metrics, role);
  const health = role.kind === 'primary' ? role.health : undefined;
  return serveMetrics(collector, { host, port, health }).catch((error: NodeJS.ErrnoException) => {
    throw new CannotStart(
      `METRICS_PORT ${port} cannot be opened on ${host} (${error.code}): set another one.`,
    );
  });
}

/** Adds the metrics of the primary itself to those of its workers. */
async function summed(
  metrics: readonly Metric[],
  { sources, sum }: Extract<MetricsRole, { kind: 'primary' }>,
): Promise<SummedMetrics> {
  const [{ prometheus }, { SummedMetrics }] = await Promise.all([
    import('./prometheus.ts'),
    import('./summed-metrics.ts'),
  ]);
  const own = prometheus(metrics, { ofNode: false });
  const all = new SummedMetrics(sources, own);
  sum(all);
  return all;
}

async function optional<T>(setting: keyof typeof TELEMETRY_PACKAGES, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new CannotStart(
      `${setting} is set, but the packages for it are not installed. Run: npm install ${TELEMETRY_PACKAGES[setting].join(' ')}`,
    );
  }
}
