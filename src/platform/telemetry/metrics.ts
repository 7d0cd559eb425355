/** The value of each label of a measurement. */
export type Labels<Label extends string> = Readonly<Record<Label, string>>;

/** Takes one measurement; undefined while nothing collects metrics. */
type Sink<Label extends string> = (value: number, labels: Labels<Label>) => void;

/** Name and meaning of a metric. Labels have few values: never a user, an IP, an e-mail address or text of a client. */
interface Declaration<Label extends string> {
  /** `gatehouse_` and words, with the unit last; a counter ends in `_total` (Prometheus, "Metric and label naming"). */
  readonly name: string;
  /** One sentence for operators. */
  readonly help: string;
  readonly labels?: readonly Label[];
}

/** The common part of metrics: a declaration, and a sink while metrics are collected. */
abstract class Instrument<Label extends string> {
  protected sink: Sink<Label> | undefined;

  constructor(protected readonly declaration: Declaration<Label>) {}

  get name(): string {
    return this.declaration.name;
  }

  get help(): string {
    return this.declaration.help;
  }

  get labels(): readonly Label[] {
    return this.declaration.labels ?? [];
  }

  /** False while nothing is collected, so that callers can skip the measurement. */
  get isOn(): boolean {
    return this.sink !== undefined;
  }

  /** Sends measurements to `sink` from now on. */
  collectInto(sink: Sink<Label> | undefined): void {
    this.sink = sink;
  }
}

/** Counts events. */
export class Counter<Label extends string = never> extends Instrument<Label> {
  readonly kind = 'counter';

  add(labels: Labels<Label>, count = 1): void {
    this.sink?.(count, labels);
  }
}

/** Counts durations in seconds, in buckets. */
export class Histogram<Label extends string = never> extends Instrument<Label> {
  readonly kind = 'histogram';

  constructor(
    declaration: Declaration<Label> & {
      /** Upper bounds of the buckets, in seconds. */
      readonly buckets: readonly number[];
    },
  ) {
    super(declaration);
    this.buckets = declaration.buckets;
  }

  readonly buckets: readonly number[];

  /** @param since in the time of `performance.now()` */
  observeSince(since: number, labels: Labels<Label>): void {
    this.sink?.((performance.now() - since) / 1_000, labels);
  }
}

/** A measurement of a gauge. */
export interface Reading<Label extends string> {
  readonly value: number;
  readonly labels: Labels<Label>;
}

/** Combines the values of several workers. A value that all workers read from the same place must not be added up. */
export type Across = 'sum' | 'min' | 'max';

/** A value that is read when metrics are collected. */
export class Gauge<Label extends string = never> extends Instrument<Label> {
  readonly kind = 'gauge';
  readonly across: Across;

  constructor(declaration: Declaration<Label> & { readonly across: Across }) {
    super(declaration);
    this.across = declaration.across;
  }

  private reader: () => Promise<ReadonlyArray<Reading<Label>>> | ReadonlyArray<Reading<Label>> = () => [];

  /** Sets the function that reads the value. The part that has the value calls this. */
  readBy(reader: () => Promise<ReadonlyArray<Reading<Label>>> | ReadonlyArray<Reading<Label>>): void {
    this.reader = reader;
  }

  async read(): Promise<void> {
    for (const { value, labels } of await this.reader()) this.sink?.(value, labels);
  }
}

/** The reading of a gauge without labels. */
export const single = (value: number): ReadonlyArray<Reading<never>> => [{ value, labels: {} }];

export type Metric = Counter<string> | Histogram<string> | Gauge<string>;
