import { isDatabaseAway, isOutcomeUnknown } from './database/index.ts';
import { ServiceUnavailable } from './errors.ts';

/** What a client is told of a failure of the database that may pass; undefined for any other failure. */
export function asUnavailable(error: unknown): ServiceUnavailable | undefined {
  if (!isDatabaseAway(error)) return undefined;
  return new ServiceUnavailable({
    detail: 'the database is away',
    cause: error,
    outcomeUnknown: isOutcomeUnknown(error),
  });
}
