import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Metric } from './metrics.ts';

/** Collects metrics for Prometheus. */
export interface Collector {
  readonly contentType: string;
  /** The current values, in the text format of Prometheus. */
  text(): Promise<string>;
  /** The same for a process that sums up several (prom-client, `AggregatorRegistry`). */
  json(): Promise<object[]>;
}

/** Collects `metrics`, and those of Node: process, event loop, garbage collection. */
export function prometheus(metrics: readonly Metric[]): Collector {
  const register = new Registry();
  collectDefaultMetrics({ register });
  for (const metric of metrics) collect(metric, register);
  return {
    contentType: register.contentType,
    text: () => register.metrics(),
    json: () => register.getMetricsAsJSON(),
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
        async collect() {
          gauge.reset();
          // A gauge that cannot be read has no value. The others are still reported.
          await metric.read().catch(() => {});
        },
      });
      metric.collectInto((value, labels) => gauge.set(labels, value));
    }
  }
}
