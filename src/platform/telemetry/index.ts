export type { SpanAttributes } from './attributes.ts';
export { errorReports } from './error-reports.ts';
export { Counter, Gauge, Histogram, type Labels, type Metric, single } from './metrics.ts';
export type { WorkersHealth } from './metrics-server.ts';
export { tracedFetch } from './outbound-call.ts';
export type { Snapshot } from './prometheus.ts';
export type { MetricsSource, SummedMetrics } from './summed-metrics.ts';
export { type OpenSpan, type Span, startTracing, type Tracing, tracing } from './tracing.ts';
