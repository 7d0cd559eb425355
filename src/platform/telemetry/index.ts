export type { SpanAttributes } from './attributes.ts';
export { errorReports } from './error-reports.ts';
export { Counter, Gauge, Histogram, type Labels, type Metric, single } from './metrics.ts';
export { tracedFetch } from './outbound-call.ts';
export { type OpenSpan, type Span, startTracing, type Tracing, tracing } from './tracing.ts';
