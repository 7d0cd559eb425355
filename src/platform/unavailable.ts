import { isDatabaseAway, isOutcomeUnknown } from './database/index.ts';
import { GatehouseError, ServiceUnavailable } from './errors.ts';

/**
 * The failure that a client is told: the error itself when it is a GatehouseError, ServiceUnavailable when the database
 * is away or overloaded, undefined for a fault.
 */
export function asGatehouseError(error: unknown): GatehouseError | undefined {
  if (error instanceof GatehouseError) return error;
  if (!isDatabaseAway(error)) return undefined;
  return new ServiceUnavailable({
    detail: 'the database is away',
    cause: error,
    outcomeUnknown: isOutcomeUnknown(error),
  });
}

/** Whether a failure may pass, so that the same request may succeed later. */
export const isUnavailable = (error: unknown): boolean =>
  asGatehouseError(error) instanceof ServiceUnavailable;
