import { ApolloServerErrorCode } from '@apollo/server/errors';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { expectedFailure } from './format-error.ts';
import { badVariables, withInputErrors } from './input-errors.ts';
import { documentLimits, MAX_TOKENS, MAX_VALIDATION_ERRORS } from './limits/index.ts';

/** The request of a client for a subscription. */
interface SubscriptionRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Record<string, unknown> | null | undefined;
}

interface Prepared {
  readonly document: DocumentNode;
  readonly operationName?: string | null;
  readonly variableValues?: Record<string, unknown> | null;
}

/** @returns the operation to run, or the errors that prevent it. */
export function prepareSubscription(
  { query, operationName, variables }: SubscriptionRequest,
  { schema, introspection }: { readonly schema: GraphQLSchema; readonly introspection: boolean },
): Prepared | readonly GraphQLError[] {
  const document = parsed(query);
  if (document instanceof GraphQLError) return [document];
  const problems = validate(schema, document, [documentLimits, ...specifiedRules], {
    maxErrors: MAX_VALIDATION_ERRORS,
  });
  if (problems.length > 0) {
    const errors = withInputErrors(problems, { schema, document });
    return introspection ? errors : errors.map(withoutSuggestion);
  }
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) {
    const message = 'Only subscriptions run over a WebSocket. Send queries and mutations over HTTP.';
    return [
      new GraphQLError(message, { extensions: { code: ApolloServerErrorCode.OPERATION_RESOLUTION_FAILURE } }),
    ];
  }
  const refused = badVariables({ schema, document, operation, variables });
  if (refused) return [refused];
  return { document, operationName: operationName ?? null, variableValues: variables ?? null };
}

function parsed(query: string): DocumentNode | GraphQLError {
  try {
    return parse(query, { maxTokens: MAX_TOKENS });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return withCodeOf(error, ApolloServerErrorCode.GRAPHQL_PARSE_FAILED);
  }
}

/** Gives an error of the document or its variables the code that it has over HTTP. */
export function withProtocolCode(error: GraphQLError): GraphQLError {
  if (error.extensions.code !== undefined || error.path || expectedFailure(error)) return error;
  const aboutVariable = /^Variable "\$/.test(error.message);
  return withCodeOf(
    error,
    aboutVariable ? ApolloServerErrorCode.BAD_USER_INPUT : ApolloServerErrorCode.GRAPHQL_VALIDATION_FAILED,
  );
}

const withCodeOf = (error: GraphQLError, code: string): GraphQLError =>
  new GraphQLError(error.message, {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    extensions: { code },
  });

/** Removes suggestions from an error. They name parts of the schema, which are hidden where introspection is off. */
const withoutSuggestion = (error: GraphQLError): GraphQLError =>
  expectedFailure(error)
    ? error
    : new GraphQLError(error.message.replace(/ ?Did you mean(.+?)\?$/, ''), { nodes: error.nodes ?? null });
