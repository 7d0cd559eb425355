import type { SpanAttributes } from './attributes.ts';

/**
 * The span kinds of OpenTelemetry: a `server` answers a caller, a `client` waits for an answer, `internal` is
 * neither. A `root` is our own kind: it begins a trace, such as a round of housekeeping.
 */
export type SpanKind = 'internal' | 'client' | 'server' | 'root';

/** One step of a piece of work, with its duration. */
export interface Span {
  set(attributes: SpanAttributes): void;
  /** Sets a better name once it is known. It has low cardinality, such as `query me`. */
  rename(name: string): void;
  /** Marks the step as failed. Only the type of the error is kept, since messages quote values. */
  fail(error: unknown): void;
}

/** A step that lasts over several hooks, and so is ended by a call instead of the end of a function. */
export interface OpenSpan extends Span {
  /** Runs `next` inside of the span, so that its work becomes part of the span. */
  enter<T>(next: () => T): T;
  end(): void;
}

/** The recorder of steps. The default records nothing; `open-telemetry.ts` exports them. */
export interface Tracing {
  /** False while nothing is recorded, so that callers can skip the preparation of a span. */
  readonly isOn: boolean;
  /**
   * Runs `work` as a span, which ends when `work` returns or its promise settles. A `client` span is only recorded as
   * part of a larger one.
   */
  span<T>(name: string, kind: SpanKind, attributes: SpanAttributes, work: (span: Span) => T): T;
  /** @param traceparent of the caller (W3C Trace Context), only from a trusted caller */
  open(name: string, attributes: SpanAttributes, traceparent?: string): OpenSpan;
  /** The span of the running code. */
  current(): Span;
  /** Id of the trace of the running code: 32 hexadecimal digits. */
  traceId(): string | undefined;
  /** Headers that pass the trace on to a called server (W3C Trace Context). */
  outgoing(): Readonly<Record<string, string>>;
  /** Exports the waiting spans, within two seconds. */
  close(): Promise<void>;
}

/** Records nothing. */
export const NO_SPAN: OpenSpan = {
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
 * The tracing of this process, held in a variable of the module, as in OpenTelemetry's own API. Otherwise every
 * statement and every outbound call would need it as an argument.
 */
let active: Tracing = OFF;

export const tracing = (): Tracing => active;

/** Records steps from now on. Call it before the first request. */
export function startTracing(implementation: Tracing): void {
  active = implementation;
}
