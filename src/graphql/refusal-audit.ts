import type { ApolloServerPlugin } from '@apollo/server';
import { type GraphQLError, Kind } from 'graphql';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { ErrorCode, GatehouseError } from '../platform/errors.ts';
import { networkOf, type RequestContext } from '../platform/request/index.ts';
import type { FailureLog } from './failure-log.ts';

/** Milliseconds for which what goes on being refused to one network is one event. */
const QUIET = 60_000;
/** Networks with operations that are remembered for it; beyond, the oldest is forgotten. */
const MAX_REMEMBERED = 10_000;

/** Something that was asked for and not allowed, or not so soon. */
export interface Refusal {
  /** As the schema names it, or method and path of a route. */
  readonly operation: string;
  readonly code: ErrorCode.FORBIDDEN | ErrorCode.RATE_LIMITED;
  readonly subjectId: string | null;
}

/** Of a request, what the trail says of it. */
export type Refused = Pick<RequestContext, 'em' | 'origin' | 'authenticate'>;

export type RecordRefusals = (context: Refused, refusals: Iterable<Refusal>) => Promise<void>;

/**
 * Records what was not allowed, and where a limit was hit. A limit, and a denial of somebody who is not signed in, once
 * in a minute for a network (as the limits count addresses), an operation and an account, or the trail would grow with
 * every attempt.
 */
export function refusalTrail(audit: AuditLog, log: FailureLog): RecordRefusals {
  const recorded = new Map<string, number>();

  /** @returns whether it is time to record it. */
  const notLately = (key: string): boolean => {
    const now = performance.now();
    const last = recorded.get(key);
    if (last !== undefined && now - last < QUIET) return false;
    recorded.delete(key);
    recorded.set(key, now);
    if (recorded.size > MAX_REMEMBERED) {
      const [oldest] = recorded.keys();
      if (oldest !== undefined) recorded.delete(oldest);
    }
    return true;
  };

  return async (context, refusals) => {
    for (const { operation, code, subjectId } of refusals) {
      const { origin } = context;
      const key = `${code} ${operation} ${networkOf(origin.clientAddress ?? '')} ${subjectId}`;
      const isLimit = code === ErrorCode.RATE_LIMITED;
      if (isLimit && !notLately(key)) continue;
      try {
        const actorId = (await context.authenticate())?.userId ?? null;
        if (!isLimit && actorId === null && !notLately(key)) continue;
        await audit.record(context.em, origin, {
          action: isLimit ? 'operation.limited' : 'operation.denied',
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
        didEncounterErrors: ({ errors, contextValue }) => record(contextValue, refusalsOf(errors, 'request')),
      };
    },
  };
}

/** @returns null for a failure of another kind. */
export function refusalOf(error: unknown, operation: string): Refusal | null {
  if (!(error instanceof GatehouseError)) return null;
  const { code, subjectId } = error;
  if (code !== ErrorCode.FORBIDDEN && code !== ErrorCode.RATE_LIMITED) return null;
  return { operation, code, subjectId };
}

/**
 * Each operation once, as the schema names it: aliases are text of the client.
 * @param whole names what is refused before any operation of it is
 */
export function refusalsOf(errors: readonly GraphQLError[], whole: string): Iterable<Refusal> {
  const refusals = new Map<string, Refusal>();
  for (const error of errors) {
    const node = error.nodes?.[0];
    const operation = node?.kind === Kind.FIELD ? node.name.value : whole;
    const refusal = refusalOf(error.originalError, operation);
    if (refusal) refusals.set(`${operation} ${refusal.code} ${refusal.subjectId}`, refusal);
  }
  return refusals.values();
}
