import type { ApolloServerPlugin } from '@apollo/server';
import { type GraphQLError, Kind } from 'graphql';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { ErrorCode, Forbidden, RateLimited } from '../platform/errors.ts';
import { networkOf, type RequestContext } from '../platform/request/index.ts';
import type { FailureLog } from './failure-log.ts';
import { asGatehouseError } from './format-error.ts';

/** Milliseconds for which a limit that goes on being hit from one network is one event. */
const LIMIT_QUIET = 60_000;
/** Networks with operations that are remembered for it; beyond, the oldest is forgotten. */
const MAX_REMEMBERED = 10_000;

/**
 * Records what was not allowed (one event for each operation of a request, however often it stands there), and where
 * a rate limit was hit: once in a minute for a network (as the limits count addresses), an operation and an account, or
 * the trail would grow with every attempt that the limit is to hold off.
 */
export function refusalAudit(audit: AuditLog, log: FailureLog): ApolloServerPlugin<RequestContext> {
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

  return {
    async requestDidStart() {
      return {
        async didEncounterErrors({ errors, contextValue }) {
          for (const refusal of refusalsOf(errors)) {
            const { operation, code, subjectId } = refusal;
            const { origin } = contextValue;
            const key = `${operation} ${networkOf(origin.clientAddress ?? '')} ${subjectId}`;
            if (code === ErrorCode.RATE_LIMITED && !notLately(key)) continue;
            try {
              const actorId = (await contextValue.authenticate())?.userId ?? null;
              await audit.record(contextValue.em, origin, {
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
        },
      };
    },
  };
}

interface Refusal {
  operation: string;
  code: ErrorCode;
  subjectId: string | null;
}

/** Each operation once, as the schema names it: aliases are text of the client. */
function refusalsOf(errors: readonly GraphQLError[]): Iterable<Refusal> {
  const refusals = new Map<string, Refusal>();
  for (const error of errors) {
    const { code } = asGatehouseError(error) ?? {};
    if (code !== ErrorCode.FORBIDDEN && code !== ErrorCode.RATE_LIMITED) continue;
    const node = error.nodes?.[0];
    const operation = node?.kind === Kind.FIELD ? node.name.value : 'request';
    const { originalError } = error;
    const namesSubject = originalError instanceof Forbidden || originalError instanceof RateLimited;
    const subjectId = namesSubject ? originalError.subjectId : null;
    const key = `${operation} ${code} ${subjectId}`;
    if (!refusals.has(key)) refusals.set(key, { operation, code, subjectId });
  }
  return refusals.values();
}
