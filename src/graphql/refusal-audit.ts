import type { ApolloServerPlugin } from '@apollo/server';
import { type GraphQLError, Kind } from 'graphql';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { ErrorCode, GatehouseError } from '../platform/errors.ts';
import { type RequestContext } from '../platform/request/index.ts';
import { isUnavailable } from '../platform/unavailable.ts';
import type { FailureLog } from './failure-log.ts';

/** Milliseconds in which repeated refusals of one actor and subject make only one event. */
const QUIET = 60_000;
/** Refusals that are remembered for it. Beyond that, the oldest is forgotten. */
const MAX_REMEMBERED = 10_000;
/** Anonymous events of one operation in a minute. An attacker may have any number of networks. */
const MAX_ANONYMOUS_EVENTS = 60;

/** An operation that was refused, because of a permission or a rate limit. */
export interface Refusal {
  /** Field name of the schema, or method and path of a route. */
  readonly operation: string;
  readonly code: ErrorCode.FORBIDDEN | ErrorCode.RATE_LIMITED;
  readonly subjectId: string | null;
}

/** The parts of a request that its audit event needs. */
export type Refused = Pick<RequestContext, 'em' | 'source' | 'authenticate'>;

export type RecordRefusals = (context: Refused, refusals: Iterable<Refusal>) => Promise<void>;

/**
 * Audits refused permissions and rate limits: at most one event a minute for each operation, actor and subject. Without
 * actor and subject, there is one event for each network (as rate limits count IPs), for at most sixty networks. The
 * audit trail would otherwise grow with every attempt, and events can never be removed from it. The log has every
 * attempt.
 */
export function refusalTrail(audit: AuditLog, log: FailureLog): RecordRefusals {
  const recorded = new Map<string, number>();

  /** @returns whether this refusal is due for an event. */
  const isDue = (key: string): boolean => {
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

  const anonymous = { since: performance.now(), counts: new Map<string, number>() };

  const isFlood = (operation: string): boolean => {
    const now = performance.now();
    if (now - anonymous.since >= QUIET) {
      anonymous.since = now;
      anonymous.counts.clear();
    }
    const count = (anonymous.counts.get(operation) ?? 0) + 1;
    anonymous.counts.set(operation, count);
    return count > MAX_ANONYMOUS_EVENTS;
  };

  return async (context, refusals) => {
    const { source } = context;
    for (const { operation, code, subjectId } of refusals) {
      try {
        const actorId = (await context.authenticate())?.userId ?? null;
        const isAnonymous = actorId === null && subjectId === null;
        const party = isAnonymous ? source.networks[0] : `${actorId} ${subjectId}`;
        if (!isDue(`${code} ${operation} ${party}`)) continue;
        if (isAnonymous && isFlood(operation)) continue;
        await audit.record(context.em, source, {
          action: code === ErrorCode.RATE_LIMITED ? 'operation.limited' : 'operation.denied',
          actorId,
          subjectId,
          outcome: AuditOutcome.DENIED,
          details: { operation },
        });
      } catch (error) {
        // Only logged: the operation was refused, so there is no change to roll back.
        const facts = { requestId: source.requestId, field: operation, detail: 'a refusal was not recorded' };
        if (isUnavailable(error)) log.refusal(facts);
        else log.fault(error, facts);
      }
    }
  };
}

/** Audits the refusals of a request: one event for each operation, even when a document repeats it. */
export function refusalAudit(record: RecordRefusals): ApolloServerPlugin<RequestContext> {
  return {
    async requestDidStart() {
      return {
        didEncounterErrors: ({ errors, contextValue }) => record(contextValue, refusalsOf(errors, 'request')),
      };
    },
  };
}

/** @returns null for any other error. */
export function refusalOf(error: unknown, operation: string): Refusal | null {
  if (!(error instanceof GatehouseError)) return null;
  const { code, subjectId } = error;
  if (code !== ErrorCode.FORBIDDEN && code !== ErrorCode.RATE_LIMITED) return null;
  return { operation, code, subjectId };
}

/**
 * Lists each refused operation once, by its name in the schema, since aliases are text of the client.
 * @param whole the name for a refusal of the whole request
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
