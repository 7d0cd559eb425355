import { randomUUID } from 'node:crypto';
import {
  createEventEnvelope,
  createStackParser,
  createTransport,
  type DsnComponents,
  dsnFromString,
  type Event,
  getEnvelopeEndpointWithUrlEncodedAuth,
  type StackFrame,
} from '@sentry/core';
import { nodeStackLineParser } from '@sentry/core/server';
import type { ErrorReport, ErrorReports } from './error-reports.ts';

export interface SentryOptions {
  readonly dsn: string;
  readonly environment: string;
  readonly release: string;
}

/** Milliseconds for one report, and for the waiting reports at a shutdown. */
const SEND_TIMEOUT = 2_000;
/** Concurrent reports. Further ones are dropped. */
const MAX_WAITING = 32;
/** Reports of one kind in a minute. A fault at every request is known after the first. */
const PER_MINUTE = 10;

/**
 * Messages of Node that quote only names in our code. Any other message may quote a value: an e-mail address, a row, a
 * part of a token. It stays in the log of the host.
 */
const SAFE_MESSAGES = [
  /^Cannot (?:read|set) properties of (?:undefined|null) \((?:reading|setting) '\w+'\)$/,
  /^[\w.]+ is not (?:a function|iterable|defined|a constructor)$/,
  /^Maximum call stack size exceeded$/,
];

const parseStack = createStackParser(nodeStackLineParser());

/**
 * Reports to Sentry, or to any receiver of its envelopes. The event is built here from an allow-list, since the SDK's
 * own client would add headers, breadcrumbs and local variables. Only the protocol of the SDK is used: envelope, stack
 * parser, rate limits.
 */
export function sentry({ dsn: address, environment, release }: SentryOptions): ErrorReports {
  const dsn = dsnFromString(address);
  if (!dsn) throw new Error('SENTRY_DSN was not checked');
  const transport = createTransport({ bufferSize: MAX_WAITING, recordDroppedEvent() {} }, ({ body }) =>
    post(dsn, body),
  );
  const quota = new Quota();
  return {
    report(report) {
      const event = eventOf(report, { environment, release });
      if (!quota.allows(kindOf(event))) return;
      transport.send(createEventEnvelope(event, dsn)).then(
        () => {},
        () => {},
      );
    },
    async close() {
      await transport.flush(SEND_TIMEOUT);
    },
  };
}

async function post(dsn: DsnComponents, body: string | Uint8Array) {
  const { status, headers } = await fetch(getEnvelopeEndpointWithUrlEncodedAuth(dsn), {
    method: 'POST',
    body: body as string,
    redirect: 'error',
    signal: AbortSignal.timeout(SEND_TIMEOUT),
  });
  return {
    statusCode: status,
    headers: {
      'x-sentry-rate-limits': headers.get('x-sentry-rate-limits'),
      'retry-after': headers.get('retry-after'),
    },
  };
}

/** Makes the event. Only the fields that are listed here leave the process. */
function eventOf(
  { error, message, requestId, operation, traceId }: ErrorReport,
  { environment, release }: Pick<SentryOptions, 'environment' | 'release'>,
): Event {
  const { name, code, stack } = (error ?? {}) as { name?: unknown; code?: unknown; stack?: unknown };
  return {
    event_id: randomUUID().replaceAll('-', ''),
    timestamp: Date.now() / 1_000,
    platform: 'node',
    level: 'error',
    environment,
    release,
    logentry: { message },
    tags: {
      ...(requestId !== undefined && { request_id: requestId }),
      ...(operation !== undefined && { operation }),
      ...(traceId !== undefined && { trace_id: traceId }),
    },
    exception: {
      values: [
        {
          type: word(name) ?? 'Error',
          value: safeMessage(error) ?? word(code) ?? message,
          stacktrace: { frames: parseStack(typeof stack === 'string' ? framesOnly(stack) : '').map(placeOf) },
        },
      ],
    },
  };
}

/** A place in the code, without variables and folders of the host. */
const placeOf = ({ filename = '', function: name, lineno, colno, in_app }: StackFrame): StackFrame => ({
  filename: filename.replace(/^.*?\/(?=(?:dist|src|node_modules)\/)/, ''),
  ...(name !== undefined && { function: name }),
  ...(lineno !== undefined && { lineno }),
  ...(colno !== undefined && { colno }),
  ...(in_app !== undefined && { in_app }),
});

/** Keeps only the lines of frames. The message above them may have lines that the parser would take for frames. */
const framesOnly = (stack: string): string =>
  stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');

const word = (value: unknown): string | undefined =>
  typeof value === 'string' && /^\w{1,64}$/.test(value) ? value : undefined;

function safeMessage(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : '';
  return SAFE_MESSAGES.some((pattern) => pattern.test(message)) ? message : undefined;
}

const kindOf = ({ exception, logentry }: Event): string =>
  `${logentry?.message} ${exception?.values?.[0]?.type} ${exception?.values?.[0]?.value}`;

/** Bounds reports of one kind, so that an outage does not use up the quota of the receiver. */
class Quota {
  private since = performance.now();
  private readonly counts = new Map<string, number>();

  allows(kind: string): boolean {
    const now = performance.now();
    if (now - this.since >= 60_000) {
      this.since = now;
      this.counts.clear();
    }
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    return count <= PER_MINUTE;
  }
}
