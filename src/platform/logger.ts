import { type DestinationStream, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { isDatabaseError } from './database/index.ts';

export type Logger = pino.Logger;

/**
 * One JSON object per line, times in UTC, on standard error: standard output is for people and for pipes.
 * Of what a client sent only the id of its request is logged.
 */
export function createLogger(level: string, destination: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
    },
    destination,
  );
}

/**
 * Errors keep type, message and stack; those of the database only what names the place, since its messages quote
 * values and whole rows: hashes, addresses, tokens.
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
