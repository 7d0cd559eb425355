import { randomFillSync } from 'node:crypto';
import {
  type HrTime,
  type SpanContext,
  type SpanKind,
  type SpanStatus,
  SpanStatusCode,
} from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { SPAN_ATTRIBUTES, type SpanAttributes } from './attributes.ts';
import type { Span } from './tracing.ts';

/** Bit of the trace flags that says that the trace is recorded (W3C Trace Context section 3.2.2.5). */
export const SAMPLED = 1;

/** The parts that all spans of a process have in common. */
export interface SpanOrigin {
  readonly ids: RandomHex;
  readonly resource: Resource;
  readonly instrumentationScope: { readonly name: string; readonly version: string };
}

const UNSET: SpanStatus = { code: SpanStatusCode.UNSET };
const ERROR: SpanStatus = { code: SpanStatusCode.ERROR };
const ALLOWED: ReadonlySet<string> = new Set(SPAN_ATTRIBUTES);

/**
 * A span in the form that the exporter of OpenTelemetry reads. OpenTelemetry's own spans check every attribute and
 * convert every time at once. That takes ten microseconds for a span, and a whole `me` takes a hundred. Here the export
 * does this work, and it drops spans during overload.
 */
export class RecordedSpan implements ReadableSpan, Span {
  name: string;
  readonly kind: SpanKind;
  readonly attributes: Record<string, string | number>;
  status = UNSET;
  ended = false;
  readonly #begunAt = performance.now();
  #endedAt = 0;
  readonly #context: SpanContext;
  readonly parentSpanContext?: SpanContext;

  constructor(
    private readonly origin: SpanOrigin,
    { name, kind, attributes }: Pick<RecordedSpan, 'name' | 'kind' | 'attributes'>,
    /** Ids of the trace and of the parent span. */
    { traceId, traceFlags, parent }: Pick<SpanContext, 'traceId' | 'traceFlags'> & { parent?: SpanContext },
  ) {
    this.name = name;
    this.kind = kind;
    this.attributes = attributes;
    if (parent) this.parentSpanContext = parent;
    this.#context = { traceId, spanId: origin.ids.next(8), traceFlags };
  }

  get links() {
    return [];
  }

  get events() {
    return [];
  }

  get droppedAttributesCount() {
    return 0;
  }

  get droppedEventsCount() {
    return 0;
  }

  get droppedLinksCount() {
    return 0;
  }

  get resource(): Resource {
    return this.origin.resource;
  }

  get instrumentationScope() {
    return this.origin.instrumentationScope;
  }

  get isSampled(): boolean {
    return (this.#context.traceFlags & SAMPLED) !== 0;
  }

  get traceId(): string {
    return this.#context.traceId;
  }

  get startTime(): HrTime {
    return hrTime(performance.timeOrigin + this.#begunAt);
  }

  get endTime(): HrTime {
    return hrTime(performance.timeOrigin + this.#endedAt);
  }

  get duration(): HrTime {
    return hrTime(this.#endedAt - this.#begunAt);
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  set(attributes: SpanAttributes): void {
    Object.assign(this.attributes, allowed(attributes));
  }

  rename(name: string): void {
    this.name = name;
  }

  fail(error: unknown): void {
    const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
    this.status = ERROR;
    this.attributes['error.type'] = String(code ?? name ?? 'unknown').slice(0, 64);
  }

  close(): void {
    this.#endedAt = performance.now();
    this.ended = true;
  }
}

/** Milliseconds as seconds and nanoseconds. */
function hrTime(milliseconds: number): HrTime {
  const seconds = Math.trunc(milliseconds / 1_000);
  return [seconds, Math.round((milliseconds - seconds * 1_000) * 1_000_000)];
}

/** The compiler checks the names too, except where a cast hides a name from it. */
export function allowed(attributes: SpanAttributes): Record<string, string | number> {
  const kept: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(attributes)) if (ALLOWED.has(name)) kept[name] = value;
  return kept;
}

/** Ids of traces and spans in hexadecimal. They are random, and not secret. */
export class RandomHex {
  private readonly pool = Buffer.alloc(4_096);
  private used = this.pool.length;

  /** @param bytes of randomness; each is two digits */
  next(bytes: number): string {
    if (this.used + bytes > this.pool.length) {
      randomFillSync(this.pool);
      this.used = 0;
    }
    this.used += bytes;
    return this.pool.toString('hex', this.used - bytes, this.used);
  }
}
