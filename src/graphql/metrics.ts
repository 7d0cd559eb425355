import { Counter, Histogram } from '../platform/telemetry/index.ts';

export const operationSeconds = new Histogram({
  name: 'gatehouse_operation_duration_seconds',
  help: 'Time of a root field of a query or mutation. The outcome is ok or the error code.',
  labels: ['operation', 'outcome'],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
});

export const refused = new Counter({
  name: 'gatehouse_refused_total',
  help: 'Operations and requests that were refused, by error code.',
  labels: ['code'],
});
