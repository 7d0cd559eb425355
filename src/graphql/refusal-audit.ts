import type { ApolloServerPlugin } from '@apollo/server';
import { type GraphQLError, Kind } from 'graphql';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { ErrorCode, GatehouseError } from '../platform/errors.ts';
import { type RequestContext } from '../platform/request/index.ts';
import { isUnavailable } from '../platform/unavailable.ts';
import type { FailureLog } from './failure-log.ts';

/** Milliseconds for which what goes on being refused to one person, or about one account, is one event. */
const QUIET = 60_000;
/** Of those, what is remembered for it; beyond, the oldest is forgotten. */
const MAX_REMEMBERED = 10_000;
/** Events of one operation in a minute by networks of which nothing else is known: an attacker may have any number of them. */
const MAX_OF_STRANGERS = 60;

/** Something that was asked for and not allowed, or not so soon. */
export interface Refusal {
  /** As the schema names it, or method and path of a route. */
  readonly operation: string;
  readonly code: ErrorCode.FORBIDDEN | ErrorCode.RATE_LIMITED;
  readonly subjectId: string | null;
}

/** Of a request, what the trail says of it. */
export type Refused = Pick<RequestContext, 'em' | 'source' | 'authenticate'>;

export type RecordRefusals = (context: Refused, refusals: Iterable<Refusal>) => Promise<void>;

/**
 * Records what was not allowed, and where a limit was hit: once in a minute for an operation, by whoever is signed in and
 * about whichever account; where neither is known, for a network (as the limits count addresses), and for sixty networks
 * at most. The trail would grow with every attempt otherwise, and nothing can be taken out of it; the log has them all.
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

  const ofStrangers = { since: performance.now(), counts: new Map<string, number>() };

  const isFlood = (operation: string): boolean => {
    const now = performance.now();
    if (now - ofStrangers.since >= QUIET) {
      ofStrangers.since = now;
      ofStrangers.counts.clear();
    }
    const count = (ofStrangers.counts.get(operation) ?? 0) + 1;
    ofStrangers.counts.set(operation, count);
    return count > MAX_OF_STRANGERS;
  };

  return async (context, refusals) => {
    const { source } = context;
    for (const { operation, code, subjectId } of refusals) {
      try {
        const actorId = (await context.authenticate())?.userId ?? null;
        const isStranger = actorId === null && subjectId === null;
        const whose = isStranger ? source.networks[0] : `${actorId} ${subjectId}`;
        if (!notLately(`${code} ${operation} ${whose}`)) continue;
        if (isStranger && isFlood(operation)) continue;
        await audit.record(context.em, source, {
          action: code === ErrorCode.RATE_LIMITED ? 'operation.limited' : 'operation.denied',
          actorId,
          subjectId,
          outcome: AuditOutcome.DENIED,
          details: { operation },
        });
      } catch (error) {
        // Nothing was done that could be taken back.
        const facts = { requestId: source.requestId, field: operation, detail: 'a refusal was not recorded' };
        if (isUnavailable(error)) log.refusal(facts);
        else log.fault(error, facts);
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
