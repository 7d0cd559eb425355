import { CannotStart } from '../platform/cannot-start.ts';
import { connectionRefusal } from '../platform/database/index.ts';
import { BadUserInput, GatehouseError } from '../platform/errors.ts';
import { InvalidSettings } from '../platform/settings.ts';
import { CommandError } from './streams.ts';

/** Errors whose message tells a person what to do. */
const ACTIONABLE = [InvalidSettings, CannotStart, CommandError, GatehouseError];

/** Explains an error that a person can act on in a sentence. Any other error is a fault and keeps its stack. */
export function explain(error: unknown): string {
  if (error instanceof BadUserInput) return error.fields.map(({ message }) => message).join('\n');
  if (ACTIONABLE.some((kind) => error instanceof kind)) return (error as Error).message;
  const refusal = connectionRefusal(error);
  if (refusal !== undefined) return `DATABASE_URL, or the embedded PostgreSQL without it: ${refusal}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
