import { AggregatorRegistry, Registry } from 'prom-client';
import type { Collector, Snapshot } from './prometheus.ts';

/** A process whose metrics are added to those of others. */
export interface MetricsSource {
  /** Undefined when the process does not answer in time. */
  snapshot(): Promise<Snapshot | undefined>;
}

/**
 * Adds up the metrics of several processes. A sum of counters must not fall when a process ends or hangs: Prometheus
 * would take that for a restart and count everything again. So the last known counters of such a process stay in the sum.
 */
export class SummedMetrics implements Collector {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  private readonly latest = new Map<MetricsSource, Snapshot>();
  /** The counters of all processes that have ended. */
  private ended: Snapshot = [];

  /**
   * @param sources returns the running processes
   * @param own metrics of this process. They are collected last, because they count the processes that did not answer.
   */
  constructor(
    private readonly sources: () => readonly MetricsSource[],
    private readonly own: MetricsSource,
  ) {}

  async text(): Promise<string> {
    const others = await Promise.all(this.sources().map((source) => this.ask(source)));
    const own = await this.ask(this.own);
    return AggregatorRegistry.aggregate([this.ended, ...others, own]).metrics();
  }

  /**
   * Keeps the counters of a process that ends. @param last its last metrics; undefined when it ended without
   * sending them
   */
  async end(source: MetricsSource, last?: Snapshot): Promise<void> {
    const counters = countersOf(last ?? this.latest.get(source) ?? []);
    this.latest.delete(source);
    const sum = AggregatorRegistry.aggregate([this.ended, counters]);
    this.ended = (await sum.getMetricsAsJSON()) as unknown as Snapshot;
  }

  private async ask(source: MetricsSource): Promise<Snapshot> {
    const snapshot = await source.snapshot();
    if (!snapshot) return countersOf(this.latest.get(source) ?? []);
    this.latest.set(source, snapshot);
    return snapshot;
  }
}

const countersOf = (snapshot: Snapshot): Snapshot =>
  snapshot.filter(({ type }) => type === 'counter' || type === 'histogram');
