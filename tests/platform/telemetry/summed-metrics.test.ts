import { describe, expect, it } from '@jest/globals';
import {
  Counter,
  Gauge,
  type Metric,
  type MetricsSource,
  single,
} from '../../../src/platform/telemetry/index.ts';
import { prometheus } from '../../../src/platform/telemetry/prometheus.ts';
import { SummedMetrics } from '../../../src/platform/telemetry/summed-metrics.ts';

const NOTHING = prometheus([], { ofNode: false });
const collected = (...metrics: Metric[]) => prometheus(metrics, { ofNode: false });
const sumOf = (...sources: MetricsSource[]) => new SummedMetrics(() => sources, NOTHING);

/** A process that counted so many events, and may hang. */
function counting(count: number) {
  const counter = new Counter({ name: 'events_total', help: 'Events.' });
  const collector = collected(counter);
  counter.add({}, count);
  const source = { hangs: false, snapshot: async () => (source.hangs ? undefined : collector.snapshot()) };
  return source;
}

const gaugeOf = (across: 'sum' | 'min' | 'max', value: number) => {
  const gauge = new Gauge({ name: `gauge_${across}`, help: 'A gauge.', across });
  gauge.readBy(() => single(value));
  return gauge;
};

describe('the metrics of several processes', () => {
  it('add up counters', async () => {
    expect(await sumOf(counting(2), counting(3)).text()).toContain('events_total 5\n');
  });

  it('combine the values of each gauge by the rule of that gauge', async () => {
    const process = (value: number) =>
      collected(gaugeOf('sum', value), gaugeOf('min', value), gaugeOf('max', value));
    const text = await sumOf(process(2), process(3)).text();
    expect(text).toContain('gauge_sum 5\n');
    expect(text).toContain('gauge_min 2\n');
    expect(text).toContain('gauge_max 3\n');
  });

  it('leave out a gauge that no process can read', async () => {
    const gauge = new Gauge({ name: 'unread', help: 'It has no reader.', across: 'min' });
    expect(await sumOf(collected(gauge), collected(gauge)).text()).not.toMatch(/^unread/m);
  });

  it('keep the counters of a process that hangs, or has ended', async () => {
    const [hanging, ending] = [counting(2), counting(3)];
    const sources: MetricsSource[] = [hanging, ending];
    const sum = new SummedMetrics(() => sources, NOTHING);
    await sum.text();
    hanging.hangs = true;
    sources.pop();
    await sum.end(ending);
    expect(await sum.text()).toContain('events_total 5\n');
    const last = counting(10);
    await sum.end(counting(0), await last.snapshot());
    expect(await sum.text()).toContain('events_total 15\n');
  });
});
