import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Metric } from './metrics.ts';

/** Collects metrics for Prometheus. */
export interface Collector {
  readonly contentType: string;
  /** The current values, in the text format of Prometheus. */
  text(): Promise<string>;
}

/** The metrics of one process, in the form that prom-client needs to add up those of several processes. */
export type Snapshot = ReadonlyArray<{ readonly name: string; readonly type: string }>;

/** Collects the metrics of one process. */
export interface ProcessCollector extends Collector {
  snapshot(): Promise<Snapshot>;
}

/**
 * Collects metrics of this process.
 * @param options.ofNode whether to add the metrics of Node: process, event loop, garbage collection
 */
export function prometheus(metrics: readonly Metric[], { ofNode = true } = {}): ProcessCollector {
  const register = new Registry();
  if (ofNode) collectDefaultMetrics({ register });
  for (const metric of metrics) collect(metric, register);
  return {
    contentType: register.contentType,
    text: () => register.metrics(),
    snapshot: async () => (await register.getMetricsAsJSON()) as unknown as Snapshot,
  };
}

function collect(metric: Metric, register: Registry): void {
  const { name, help } = metric;
  const shape = { name, help, labelNames: [...metric.labels], registers: [register] };
  switch (metric.kind) {
    case 'counter': {
      const counter = new Counter(shape);
      metric.collectInto((count, labels) => counter.inc(labels, count));
      break;
    }
    case 'histogram': {
      const histogram = new Histogram({ ...shape, buckets: [...metric.buckets] });
      metric.collectInto((seconds, labels) => histogram.observe(labels, seconds));
      break;
    }
    case 'gauge': {
      const gauge = new Gauge({
        ...shape,
        aggregator: metric.across,
        async collect() {
          gauge.reset();
          // `reset` would report 0 for a gauge without labels that has no value.
          if (shape.labelNames.length === 0) gauge.remove();
          // A gauge that cannot be read has no value. The others are still reported.
          await metric.read().catch(() => {});
        },
      });
      metric.collectInto((value, labels) => gauge.set(labels, value));
    }
  }
}
