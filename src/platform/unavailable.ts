import { isDatabaseAway, isOutcomeUnknown } from './database/index.ts';
import { GatehouseError, ServiceUnavailable } from './errors.ts';

/**
 * What a client is told of a failure: the failure itself when it is in our terms, ServiceUnavailable when the database is away
 * or overloaded; undefined for a fault.
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

/** True for a failure that may pass: the same request may succeed later. */
export const isUnavailable = (error: unknown): boolean =>
  asGatehouseError(error) instanceof ServiceUnavailable;
