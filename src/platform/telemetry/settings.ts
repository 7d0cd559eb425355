import { NODE_ENV } from '../server-settings.ts';
import { setting, settingsSection } from '../setting-declaration.ts';
import { sentryDsn, share, text, urlOf, wholeNumber } from '../setting-parsers.ts';

/** Traces, metrics and error reports. Unset, nothing of them is loaded. */
export const TELEMETRY_SETTINGS = settingsSection({
  title: 'Traces, metrics and error reports',
  settings: {
    otlpEndpoint: setting('OTEL_EXPORTER_OTLP_ENDPOINT', {
      parse: urlOf('http:', 'https:'),
      whenUnset: 'nothing is traced',
      description:
        'Receiver of traces by OTLP/HTTP, such as `http://jaeger:4318`. Spans go to `/v1/traces` below it.',
    }),
    serviceName: setting('OTEL_SERVICE_NAME', {
      parse: text,
      default: 'gatehouse',
      description: 'Name of the service in traces.',
    }),
    sampled: setting('OTEL_TRACES_SAMPLER_ARG', {
      parse: share,
      default: 1,
      description:
        'Share of the traces that are recorded. A trusted proxy that sends `traceparent` decides for its requests.',
    }),
    metricsPort: setting('METRICS_PORT', {
      parse: wholeNumber({ min: 1, max: 65_535 }),
      whenUnset: 'no metrics are collected',
      description: 'Port of `/metrics` (Prometheus), on `HOST`. Do not publish it.',
    }),
    sentryDsn: setting('SENTRY_DSN', {
      parse: sentryDsn,
      secret: true,
      whenUnset: 'unexpected errors go to the log only',
      description: 'Receiver of unexpected errors, as Sentry shows it: `https://KEY@HOST/PROJECT`.',
    }),
    environment: setting('SENTRY_ENVIRONMENT', {
      parse: text,
      defaultFrom: { text: '`$NODE_ENV`', value: ({ of }) => of(NODE_ENV) },
      description: 'Name of this deployment in error reports and traces.',
    }),
  },
  config: (telemetry) => ({ telemetry }),
});
