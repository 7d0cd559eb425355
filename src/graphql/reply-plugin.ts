import type { ApolloServerPlugin } from '@apollo/server';
import type { GraphQLError, GraphQLFormattedError, OperationDefinitionNode } from 'graphql';
import { ErrorCode, InvalidDpopProof } from '../platform/errors.ts';
import type { RequestContext } from '../platform/request/index.ts';
import { type FailureLog, logFailures } from './failure-log.ts';
import { formatError } from './format-error.ts';
import { withInputErrors } from './input-errors.ts';

/** Maximum number of errors in one reply. Without it, each object of a long list could add one. */
const MAX_ERRORS = 20;

/**
 * Gives a reply its HTTP status and headers, adds the request id to every error, and logs each failure once. The status
 * is 200 when at least one root field was executed, and 429 or 503 when every root field was refused for that reason.
 */
export function replyPlugin(log: FailureLog): ApolloServerPlugin<RequestContext> {
  return {
    async requestDidStart() {
      let raw: readonly GraphQLError[] = [];
      return {
        async didEncounterErrors({ errors, contextValue, response }) {
          raw = errors;
          const refused = errors.find(({ originalError }) => originalError instanceof InvalidDpopProof);
          if (refused) {
            const { challenge } = refused.originalError as InvalidDpopProof;
            response.http.headers.set('www-authenticate', challenge);
          }
          logFailures(log, errors, contextValue);
        },
        async willSendResponse({ response, schema, document, operation, contextValue }) {
          response.http.headers.set('cache-control', 'no-store');
          if (response.body.kind !== 'single') return;
          const { singleResult } = response.body;
          if (!singleResult.errors?.length) return;
          const merged = withInputErrors(raw, { schema, document });
          const errors =
            merged === raw ? singleResult.errors : merged.map((error) => formatError(error.toJSON(), error));
          singleResult.errors = errors.slice(0, MAX_ERRORS).map((error) => ({
            ...error,
            extensions: { ...error.extensions, requestId: contextValue.source.requestId },
          }));
          const status = refusalStatus(errors, singleResult.data, operation);
          if (status === undefined) return;
          response.http.status = status;
          const seconds = errors.map(({ extensions }) => Number(extensions?.retryAfterSeconds ?? 0));
          const longest = Math.max(...seconds);
          if (longest > 0) response.http.headers.set('retry-after', String(longest));
        },
      };
    },
  };
}

function refusalStatus(
  errors: readonly GraphQLFormattedError[],
  data: Record<string, unknown> | null | undefined,
  operation: OperationDefinitionNode | undefined,
): number | undefined {
  const codes = errors.map(({ extensions }) => extensions?.code);
  const isRefusal = (code: unknown) =>
    code === ErrorCode.RATE_LIMITED || code === ErrorCode.SERVICE_UNAVAILABLE;
  if (!operation || !codes.every(isRefusal) || somethingWasExecuted(errors, data, operation))
    return undefined;
  return codes.includes(ErrorCode.SERVICE_UNAVAILABLE) ? 503 : 429;
}

function somethingWasExecuted(
  errors: readonly GraphQLFormattedError[],
  data: Record<string, unknown> | null | undefined,
  operation: OperationDefinitionNode,
): boolean {
  // An error below the root: its root field was executed.
  if (errors.some(({ path }) => path?.length !== 1)) return true;
  if (data) return errors.length < Object.keys(data).length;
  // A non-null root field failed, so there is no data. Mutations run one after the other: those before the failed field
  // were executed. Without fragments, the order is known. With them, assume that a field was executed.
  const [first] = operation.selectionSet.selections;
  if (operation.operation !== 'mutation') return errors.length < operation.selectionSet.selections.length;
  return first?.kind !== 'Field' || errors[0]?.path?.[0] !== (first.alias ?? first.name).value;
}
