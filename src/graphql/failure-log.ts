import { type GraphQLError, Kind } from 'graphql';
import type { GatehouseError } from '../platform/errors.ts';
import { describeError } from '../platform/logger.ts';
import type { RequestContext } from '../platform/request/index.ts';
import { expectedFailure } from './format-error.ts';

export interface FailureLog {
  /** A fault of the gateway, with all details that help to find it. */
  fault(error: unknown, facts: Record<string, unknown>): void;
  /** An expected failure: its code, and the detail that was withheld from the client. */
  refusal(facts: Record<string, unknown>): void;
}

/** Faults of one request that are logged in full. Usually they are the same fault several times. */
const MAX_FAULTS = 3;

/**
 * Logs the failures of a request, with one line for all refusals of one code, so that a document cannot write more log
 * than its own length. Fields have their names of the schema, since aliases and operation names are text of the client.
 */
export function logFailures(
  log: FailureLog,
  errors: readonly GraphQLError[],
  { source, facts: { userId } }: RequestContext,
): void {
  const refusals = new Map<string, Record<string, unknown> & { times: number }>();
  const faults: GraphQLError[] = [];
  for (const error of errors) {
    const expected = expectedFailure(error);
    if (!expected && error.originalError && error.path) {
      faults.push(error);
      continue;
    }
    const code = String(expected?.code ?? error.extensions.code);
    const known = refusals.get(code);
    if (known) known.times += 1;
    else refusals.set(code, { code, times: 1, field: fieldOf(error), ...detailsOf(expected) });
  }
  const from = { requestId: source.requestId, ip: source.clientIp, userId };
  for (const facts of refusals.values()) log.refusal({ ...from, ...facts });
  for (const error of faults.slice(0, MAX_FAULTS)) {
    log.fault(error.originalError, {
      ...from,
      field: fieldOf(error),
      times: faults.length,
    });
  }
}

const fieldOf = ({ nodes, path }: GraphQLError): string | undefined =>
  path && nodes?.[0]?.kind === Kind.FIELD ? nodes[0].name.value : undefined;

const detailsOf = (expected: GatehouseError | undefined) => ({
  detail: expected?.detail,
  cause: expected?.cause instanceof Error ? describeError(expected.cause) : undefined,
});
