import type { SpanAttributes } from './attributes.ts';

/** Who waits for whom: OpenTelemetry's span kinds. A `root` begins a trace of its own, such as a round of housekeeping. */
export type SpanKind = 'internal' | 'client' | 'server' | 'root';

/** One step of a piece of work, with its duration. */
export interface Span {
  set(attributes: SpanAttributes): void;
  /** A better name, once it is known: low cardinality, as `query me`. */
  rename(name: string): void;
  /** The step failed. Only the type of the error is kept: messages quote values. */
  fail(error: unknown): void;
}

/** A step whose end is not the end of a function: it lasts over several hooks. */
export interface OpenSpan extends Span {
  /** Runs `next` inside of the span, so that what it does becomes part of the span. */
  enter<T>(next: () => T): T;
  end(): void;
}

/** What records steps. The default records nothing; `open-telemetry.ts` exports them. */
export interface Tracing {
  /** False while nothing is recorded: callers may save themselves the work of preparing a span. */
  readonly isOn: boolean;
  /**
   * Runs `work` as a span, which ends when `work` returns or its promise settles. A `client` span is recorded as part of a
   * larger one only.
   */
  span<T>(name: string, kind: SpanKind, attributes: SpanAttributes, work: (span: Span) => T): T;
  /** @param traceparent of the caller (W3C Trace Context), only of one that is trusted */
  open(name: string, attributes: SpanAttributes, traceparent?: string): OpenSpan;
  /** The span that the running code belongs to. */
  current(): Span;
  /** Of the trace that the running code belongs to: 32 hexadecimal digits. */
  traceId(): string | undefined;
  /** Headers that hand the trace on to the server that is called (W3C Trace Context). */
  outgoing(): Readonly<Record<string, string>>;
  /** Sends what waits to be exported, within two seconds. */
  close(): Promise<void>;
}

const NO_SPAN: OpenSpan = {
  set() {},
  rename() {},
  fail() {},
  enter: (next) => next(),
  end() {},
};

const OFF: Tracing = {
  isOn: false,
  span: (_name, _kind, _attributes, work) => work(NO_SPAN),
  open: () => NO_SPAN,
  current: () => NO_SPAN,
  traceId: () => undefined,
  outgoing: () => ({}),
  close: async () => {},
};

/**
 * The tracing of this process. A process has one, as OpenTelemetry's own API has: to hand it to every statement and every
 * outbound call would put it into all signatures.
 */
let active: Tracing = OFF;

export const tracing = (): Tracing => active;

/** Records steps from now on. Call it before the first request. */
export function startTracing(implementation: Tracing): void {
  active = implementation;
}
