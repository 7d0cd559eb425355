import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as elapsed } from 'node:timers/promises';
import { SpanKind as OtelSpanKind, type SpanContext } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace';
import { allowed, RandomHex, RecordedSpan, SAMPLED, type SpanOrigin } from './recorded-span.ts';
import { NO_SPAN, type OpenSpan, type SpanKind, type Tracing } from './tracing.ts';

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
 * Records spans and exports them by OTLP/HTTP with OpenTelemetry's exporter and batches. No library is
 * patched. Instead, the code for HTTP, GraphQL and SQL calls tracing.ts. So tracing needs no loader hooks for
 * ES modules.
 */
export function openTelemetry(options: OpenTelemetryOptions): Tracing {
  const origin: SpanOrigin = {
    ids: new RandomHex(),
    resource: resourceFromAttributes({
      'service.name': options.serviceName,
      'service.version': options.serviceVersion,
      'deployment.environment.name': options.environment,
      'process.pid': process.pid,
    }),
    instrumentationScope: { name: 'gatehouse', version: options.serviceVersion },
  };
  const batches = new BatchSpanProcessor({
    exporter: new OTLPTraceExporter({
      url: `${options.endpoint.replace(/\/$/, '')}/v1/traces`,
      timeoutMillis: EXPORT_TIMEOUT,
    }),
    maxQueueSize: MAX_WAITING,
    scheduledDelayMillis: EXPORT_EVERY,
    exportTimeoutMillis: EXPORT_TIMEOUT,
  });
  const active = new AsyncLocalStorage<RecordedSpan>();
  const traceOf = (parent: SpanContext | undefined) =>
    parent
      ? { traceId: parent.traceId, traceFlags: parent.traceFlags, parent }
      : { traceId: origin.ids.next(16), traceFlags: Math.random() < options.sampled ? SAMPLED : 0 };
  const end = (span: RecordedSpan): void => {
    span.close();
    batches.onEnd(span);
  };

  return {
    isOn: true,
    span(name, kind, attributes, work) {
      const parent = kind === 'root' ? undefined : active.getStore();
      // Skips statements outside of any span, such as a poll of the mail outbox: each would be a trace of one
      // statement.
      if (parent ? !parent.isSampled : kind === 'client') return work(NO_SPAN);
      const facts = { name, kind: KINDS[kind], attributes: allowed(attributes) };
      const span = new RecordedSpan(origin, facts, traceOf(parent?.spanContext()));
      return active.run(span, () => untilSettled(span, () => work(span), end));
    },
    open(name, attributes, traceparent) {
      const facts = { name, kind: OtelSpanKind.SERVER, attributes: allowed(attributes) };
      const span = new RecordedSpan(origin, facts, traceOf(parentOf(traceparent)));
      return Object.assign(span, {
        enter: <T>(next: () => T): T => active.run(span, next),
        end: () => end(span),
      }) satisfies OpenSpan;
    },
    current: () => active.getStore() ?? NO_SPAN,
    traceId: () => active.getStore()?.traceId,
    outgoing() {
      const span = active.getStore()?.spanContext();
      if (!span) return {};
      return { traceparent: `00-${span.traceId}-${span.spanId}-0${span.traceFlags & SAMPLED}` };
    },
    close: () =>
      Promise.race([batches.shutdown().catch(() => {}), elapsed(EXPORT_TIMEOUT, undefined, { ref: false })]),
  };
}

/** Ends the span with the work, even when the work throws or rejects. */
function untilSettled<T>(span: RecordedSpan, work: () => T, end: (span: RecordedSpan) => void): T {
  let result: T;
  try {
    result = work();
  } catch (error) {
    span.fail(error);
    end(span);
    throw error;
  }
  if (!(result instanceof Promise)) {
    end(span);
    return result;
  }
  return result.then(
    (value: unknown) => {
      end(span);
      return value;
    },
    (error: unknown) => {
      span.fail(error);
      end(span);
      throw error;
    },
  ) as T;
}

function parentOf(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & SAMPLED, isRemote: true };
}
