import { type DestinationStream, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { isDatabaseError } from './database/index.ts';
import { errorReports, tracing } from './telemetry/index.ts';

export type Logger = pino.Logger;

/**
 * Makes the logger: one JSON object per line, times in UTC, on standard error, since standard output is for people and
 * pipes. Of the data that a client sends, only the request id is logged.
 * @param worker the number of the worker, when there are several
 */
export function createLogger(level: string, destination: DestinationStream, worker?: number): Logger {
  return pino(
    {
      level,
      base: worker === undefined ? null : { worker },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
      mixin: traceFacts,
      hooks: { logMethod: reportErrors },
    },
    destination,
  );
}

/** pino's number of the level `error`. */
const ERROR = 50;

/** Reports every line that is logged as an error, so that the log and the reports cannot disagree. */
function reportErrors(
  this: pino.Logger,
  args: Parameters<pino.LogFn>,
  method: pino.LogFn,
  level: number,
): void {
  const [facts, message] = args as unknown as [unknown, unknown];
  if (level >= ERROR) {
    const { err: error, requestId, field, chore } = (facts ?? {}) as Record<string, unknown>;
    errorReports().report({
      error,
      message: typeof message === 'string' ? message : 'an error without words',
      requestId: textOrNone(requestId ?? this.bindings().requestId),
      operation: textOrNone(field ?? chore),
      traceId: tracing().traceId(),
    });
  }
  method.apply(this, args);
}

const textOrNone = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** The trace that a line belongs to, for a search from the log to the trace and back. */
function traceFacts(): { traceId?: string } {
  const traceId = tracing().traceId();
  return traceId === undefined ? {} : { traceId };
}

/**
 * Serialises an error. Ordinary errors keep type, message and stack. Database errors keep only what identifies the
 * place, since their messages quote values and whole rows: hashes, e-mail addresses, tokens.
 */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (!isDatabaseError(error)) return stdSerializers.err(error);
  const { code, table, column, constraint } = error as Error & {
    code?: unknown;
    table?: unknown;
    column?: unknown;
    constraint?: unknown;
  };
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? [];
  return { type: error.name, code, table, column, constraint, stack: frames.join('\n') };
}
