import { isDatabaseAway, isOutcomeUnknown } from './database/index.ts';
import { GatehouseError, ServiceUnavailable } from './errors.ts';

/**
 * Converts an error to the failure that the client is told. A GatehouseError stays as it is.
 * ServiceUnavailable replaces an error of a database that is away or overloaded. Any other error is a fault,
 * and gives undefined.
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
