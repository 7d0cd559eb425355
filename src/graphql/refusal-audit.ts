import type { ApolloServerPlugin } from '@apollo/server';
import { type GraphQLError, Kind } from 'graphql';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { ErrorCode, Forbidden, RateLimited } from '../platform/errors.ts';
import { networkOf, type RequestContext } from '../platform/request/index.ts';
import type { FailureLog } from './failure-log.ts';

/** Milliseconds for which a limit that goes on being hit from one network is one event. */
const LIMIT_QUIET = 60_000;
/** Networks with operations that are remembered for it; beyond, the oldest is forgotten. */
const MAX_REMEMBERED = 10_000;

/** Something that was asked for and not allowed, or not so soon. */
export interface Refusal {
  /** As the schema names it, or method and path of a route. */
  readonly operation: string;
  readonly code: ErrorCode;
  readonly subjectId: string | null;
}

export type RecordRefusals = (context: RequestContext, refusals: Iterable<Refusal>) => Promise<void>;

/**
 * Records what was not allowed, and where a rate limit was hit: once in a minute for a network (as the limits count
 * addresses), an operation and an account, or the trail would grow with every attempt that the limit is to hold off.
 */
export function refusalTrail(audit: AuditLog, log: FailureLog): RecordRefusals {
  const limited = new Map<string, number>();

  /** @returns whether it is time to record it. */
  const notLately = (key: string): boolean => {
    const now = performance.now();
    const last = limited.get(key);
    if (last !== undefined && now - last < LIMIT_QUIET) return false;
    limited.delete(key);
    limited.set(key, now);
    if (limited.size > MAX_REMEMBERED) {
      const [oldest] = limited.keys();
      if (oldest !== undefined) limited.delete(oldest);
    }
    return true;
  };

  return async (context, refusals) => {
    for (const { operation, code, subjectId } of refusals) {
      const { origin } = context;
      const key = `${operation} ${networkOf(origin.clientAddress ?? '')} ${subjectId}`;
      if (code === ErrorCode.RATE_LIMITED && !notLately(key)) continue;
      try {
        const actorId = (await context.authenticate())?.userId ?? null;
        await audit.record(context.em, origin, {
          action: code === ErrorCode.FORBIDDEN ? 'operation.denied' : 'operation.limited',
          actorId,
          subjectId,
          outcome: AuditOutcome.DENIED,
          details: { operation },
        });
      } catch (error) {
        // Nothing was done that could be taken back.
        log.fault(error, {
          requestId: origin.requestId,
          field: operation,
          detail: 'a refusal was not recorded',
        });
      }
    }
  };
}

/** One event for each operation of a request, however often it stands there. */
export function refusalAudit(record: RecordRefusals): ApolloServerPlugin<RequestContext> {
  return {
    async requestDidStart() {
      return {
        didEncounterErrors: ({ errors, contextValue }) => record(contextValue, refusalsOf(errors)),
      };
    },
  };
}

/** @returns null for a failure of another kind. */
export function refusalOf(error: unknown, operation: string): Refusal | null {
  if (!(error instanceof Forbidden || error instanceof RateLimited)) return null;
  return { operation, code: error.code, subjectId: error.subjectId };
}

/** Each operation once, as the schema names it: aliases are text of the client. */
function refusalsOf(errors: readonly GraphQLError[]): Iterable<Refusal> {
  const refusals = new Map<string, Refusal>();
  for (const error of errors) {
    const node = error.nodes?.[0];
    const operation = node?.kind === Kind.FIELD ? node.name.value : 'request';
    const refusal = refusalOf(error.originalError, operation);
    if (refusal) refusals.set(`${operation} ${refusal.code} ${refusal.subjectId}`, refusal);
  }
  return refusals.values();
}
