import { ApolloServerErrorCode } from '@apollo/server/errors';
import { type ASTNode, GraphQLError, type GraphQLFormattedError, Kind } from 'graphql';
import { ErrorCode, GatehouseError, ServiceUnavailable } from '../platform/errors.ts';
import { asGatehouseError } from '../platform/unavailable.ts';

/** Codes of the protocol itself. Their messages depend on the document alone, and are sent unchanged. */
const PROTOCOL_CODES: ReadonlySet<unknown> = new Set<string>([
  ApolloServerErrorCode.GRAPHQL_PARSE_FAILED,
  ApolloServerErrorCode.GRAPHQL_VALIDATION_FAILED,
  ApolloServerErrorCode.BAD_REQUEST,
  ApolloServerErrorCode.OPERATION_RESOLUTION_FAILURE,
  ApolloServerErrorCode.PERSISTED_QUERY_NOT_SUPPORTED,
]);

/** When this message is sent, the root field has been executed: a mutation has made its changes. */
const NOT_READ =
  'Temporarily unavailable. This field could not be read, but the changes of the operation are in effect.';

/** Maximum length, in characters, of a protocol message in a reply. */
const MAX_MESSAGE_LENGTH = 500;

/** The error to report to the client; undefined for a fault. */
export function expectedFailure(raw: unknown): GatehouseError | undefined {
  // Also for an error without a path: a subscription is refused before any of its fields is executed.
  return asGatehouseError(raw instanceof GraphQLError ? (raw.originalError ?? raw) : raw);
}

/**
 * Translates all errors. Expected errors show their code and public message. All others show nothing. Errors about the
 * values of arguments were translated before (input-errors.ts).
 */
export function formatError(formatted: GraphQLFormattedError, raw: unknown): GraphQLFormattedError {
  const reply = (code: string, message: string, extensions = {}): GraphQLFormattedError => ({
    message,
    ...(formatted.locations && { locations: formatted.locations }),
    ...(formatted.path && { path: formatted.path }),
    extensions: { code, ...extensions },
  });

  const expected = expectedFailure(raw);
  if (expected instanceof ServiceUnavailable && isBelowRootField(formatted)) {
    return reply(expected.code, NOT_READ, expected.extensions);
  }
  if (expected) return reply(expected.code, expected.message, expected.extensions);
  const code = formatted.extensions?.code;
  // A variable that badVariables let pass. Its message contains the value.
  if (code === ApolloServerErrorCode.BAD_USER_INPUT)
    return reply(ErrorCode.BAD_USER_INPUT, 'Invalid input.', { fields: [] });
  if (/^GraphQL introspection is not allowed/.test(formatted.message)) {
    return reply(String(code), 'Introspection is off; see GRAPHQL_INTROSPECTION.');
  }
  if (PROTOCOL_CODES.has(code)) return reply(String(code), withoutLiterals(raw, formatted.message));
  return reply(ErrorCode.INTERNAL_SERVER_ERROR, 'Internal server error.');
}

/**
 * Removes literals from a message of graphql-js, which quotes them, since a literal may be a password. Parser messages
 * name the token that was found. Messages about a value end with the value, so they are cut where it begins.
 */
function withoutLiterals(raw: unknown, message: string): string {
  const withoutTokens = message.replace(/\b(String|BlockString|Int|Float) ".*$/s, '$1.');
  const aboutValue = raw instanceof GraphQLError && raw.nodes?.some(holdsLiteral);
  const cut = aboutValue
    ? withoutTokens.replace(/(, found| has invalid value|:| Value ").*$/s, '.')
    : withoutTokens;
  return cut.replace(/^Value ".*?" does/s, 'This value does').slice(0, MAX_MESSAGE_LENGTH);
}

const LITERALS: ReadonlySet<string> = new Set([
  Kind.STRING,
  Kind.INT,
  Kind.FLOAT,
  Kind.ENUM,
  Kind.LIST,
  Kind.OBJECT,
  Kind.OBJECT_FIELD,
]);

const holdsLiteral = (node: ASTNode): boolean => LITERALS.has(node.kind);

const isBelowRootField = ({ path }: GraphQLFormattedError): boolean => (path?.length ?? 0) > 1;
