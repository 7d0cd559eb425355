import { setTimeout as elapsed } from 'node:timers/promises';
import {
  type Context,
  context,
  type Span as OtelSpan,
  SpanKind as OtelSpanKind,
  ROOT_CONTEXT,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { SPAN_ATTRIBUTES, type SpanAttributes } from './attributes.ts';
import type { OpenSpan, Span, SpanKind, Tracing } from './tracing.ts';

export interface OpenTelemetryOptions {
  /** Base of an OTLP/HTTP receiver, such as `http://jaeger:4318`; spans go to `/v1/traces` below it. */
  readonly endpoint: string;
  readonly serviceName: string;
  readonly serviceVersion: string;
  readonly environment: string;
  /** Fraction of the traces that are recorded, 0 to 1, when the caller does not decide. */
  readonly sampled: number;
}

/** Spans that may wait for the receiver. Further ones are dropped, so that a hanging receiver costs bounded memory. */
const MAX_WAITING = 2_048;
/** Milliseconds between two exports, and for one export. Shorter than a shutdown. */
const EXPORT_EVERY = 1_000;
const EXPORT_TIMEOUT = 2_000;

const KINDS: Readonly<Record<SpanKind, OtelSpanKind>> = {
  internal: OtelSpanKind.INTERNAL,
  client: OtelSpanKind.CLIENT,
  server: OtelSpanKind.SERVER,
  root: OtelSpanKind.INTERNAL,
};

/** version-traceid-parentid-flags (W3C Trace Context section 3.2). */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/**
 * Records spans with OpenTelemetry and exports them by OTLP/HTTP. The libraries are not patched. Instead, the layers
 * through which all work passes call the facade (tracing.ts). That also works where loader hooks for ES modules do not.
 */
export function openTelemetry(options: OpenTelemetryOptions): Tracing {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': options.serviceName,
      'service.version': options.serviceVersion,
      'deployment.environment.name': options.environment,
      'process.pid': process.pid,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.sampled) }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({
          url: `${options.endpoint.replace(/\/$/, '')}/v1/traces`,
          timeoutMillis: EXPORT_TIMEOUT,
        }),
        maxQueueSize: MAX_WAITING,
        scheduledDelayMillis: EXPORT_EVERY,
        exportTimeoutMillis: EXPORT_TIMEOUT,
      }),
    ],
  });
  const tracer = provider.getTracer('gatehouse', options.serviceVersion);
  const begin = (name: string, kind: SpanKind, attributes: SpanAttributes, parent: Context) =>
    tracer.startSpan(name, { kind: KINDS[kind], attributes: allowed(attributes) }, parent);

  return {
    isOn: true,
    span(name, kind, attributes, work) {
      const parent = kind === 'root' ? ROOT_CONTEXT : context.active();
      // Skips statements outside of any span, such as a poll of the mail outbox: each would be a trace of one
      // statement.
      if (kind === 'client' && !trace.getSpan(parent)) return work(NOT_RECORDED);
      const span = begin(name, kind, attributes, parent);
      return context.with(trace.setSpan(parent, span), () => untilSettled(span, () => work(facadeOf(span))));
    },
    open(name, attributes, traceparent) {
      const parent = parentOf(traceparent);
      const span = begin(name, 'server', attributes, parent);
      const inside = trace.setSpan(parent, span);
      return {
        ...facadeOf(span),
        enter: (next) => context.with(inside, next),
        end: () => span.end(),
      } satisfies OpenSpan;
    },
    current() {
      const span = trace.getActiveSpan();
      return span ? facadeOf(span) : NOT_RECORDED;
    },
    traceId: () => trace.getActiveSpan()?.spanContext().traceId,
    outgoing() {
      const span = trace.getActiveSpan()?.spanContext();
      if (!span) return {};
      const flags = (span.traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0');
      return { traceparent: `00-${span.traceId}-${span.spanId}-${flags}` };
    },
    close: () => Promise.race([provider.shutdown().catch(() => {}), elapsed(EXPORT_TIMEOUT)]),
  };
}

const NOT_RECORDED: Span = { set() {}, rename() {}, fail() {} };

const facadeOf = (span: OtelSpan): Span => ({
  set: (attributes) => void span.setAttributes(allowed(attributes)),
  rename: (name) => void span.updateName(name),
  fail: (error) => failed(span, error),
});

function failed(span: OtelSpan, error: unknown): void {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.setAttribute('error.type', String(code ?? name ?? 'unknown').slice(0, 64));
}

/** Ends the span with the work, even when the work throws or rejects. */
function untilSettled<T>(span: OtelSpan, work: () => T): T {
  let result: T;
  try {
    result = work();
  } catch (error) {
    failed(span, error);
    span.end();
    throw error;
  }
  if (!(result instanceof Promise)) {
    span.end();
    return result;
  }
  return result
    .catch((error: unknown) => {
      failed(span, error);
      throw error;
    })
    .finally(() => span.end()) as T;
}

function parentOf(traceparent: string | undefined): Context {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

const ALLOWED: ReadonlySet<string> = new Set(SPAN_ATTRIBUTES);

/** Removes other attributes. The compiler checks the names too, but a cast can bypass it. */
function allowed(attributes: SpanAttributes): Record<string, string | number> {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => ALLOWED.has(name))) as Record<
    string,
    string | number
  >;
}
