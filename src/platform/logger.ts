import { type DestinationStream, pino, stdSerializers, stdTimeFunctions } from 'pino';
import { isDatabaseError } from './database/index.ts';

export type Logger = pino.Logger;

/**
 * Makes the logger: one JSON object per line, times in UTC, on standard error, since standard output is for people and
 * pipes. Of the data that a client sends, only the request id is logged.
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
