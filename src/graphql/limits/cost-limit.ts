import type { ApolloServerPlugin } from '@apollo/server';
import {
  type DocumentNode,
  type GraphQLSchema,
  getNullableType,
  isListType,
  Kind,
  type OperationDefinitionNode,
  type VariableDefinitionNode,
} from 'graphql';
import { type ComplexityEstimatorArgs, getComplexity } from 'graphql-query-complexity';
import type { RequestContext } from '../../platform/request/index.ts';
import { badVariables } from '../input-errors.ts';
import { DocumentRefused } from './document-refused.ts';

/** Fields that a reply may have. A page of a hundred complete accounts takes about 10,000. */
const MAX_COST = 25_000;
/** Estimated items of a list without a length argument, such as the roles of an account or the sessions of a person. */
const USUAL_LIST = 5;
/** Items of a list in the variables. No operation takes more. */
const MAX_LIST = 500;

/** Bounds the size of the reply, as soon as the variables are known. */
export function costLimit(schema: GraphQLSchema): ApolloServerPlugin<RequestContext> {
  /**
   * Operations within the limit for all values of their variables. Apollo caches parsed documents, so this saves work.
   */
  const affordable = new WeakSet<OperationDefinitionNode>();
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operation, request: { variables } }) {
          refuseLongLists(variables);
          // Runs before anything coerces the variables. The count of the cost and the execution each do so, without a
          // bound on the errors.
          const refused = operation && badVariables({ schema, document, operation, variables });
          if (refused) throw refused;
          if (!operation || affordable.has(operation)) return;
          refuseCostly(schema, document, operation, variables);
          if (!operation.variableDefinitions?.some(mayDecideCost)) affordable.add(operation);
        },
      };
    },
  };
}

/**
 * Refuses an operation whose reply would have too many fields. A page counts with its requested length.
 * @throws {DocumentRefused}
 */
function refuseCostly(
  schema: GraphQLSchema,
  query: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown> = {},
): void {
  const operationName = operation.name?.value;
  let cost: number;
  try {
    cost = getComplexity({
      schema,
      query,
      variables,
      ...(operationName && { operationName }),
      estimators: [estimate],
    });
  } catch {
    // A variable made an argument null. Only its own field fails then, and the others would be executed without being
    // counted.
    throw new DocumentRefused('An argument of the document must not be null, but its variable is.');
  }
  if (cost > MAX_COST)
    throw new DocumentRefused('The document asks for too much at once: ask for smaller pages.');
}

/**
 * Whether a variable can change the cost. Pages take their length as an Int, directives their condition as a Boolean,
 * and a null may make its field fail.
 */
const mayDecideCost = ({ type }: VariableDefinitionNode): boolean =>
  type.kind !== Kind.NON_NULL_TYPE ||
  (type.type.kind === Kind.NAMED_TYPE && ['Int', 'Boolean'].includes(type.type.name.value));

function estimate({ args, childComplexity, field }: ComplexityEstimatorArgs): number {
  const { first } = args as { first?: unknown };
  const isList = isListType(getNullableType(field.type));
  const items = typeof first === 'number' ? Math.max(1, first) : isList ? USUAL_LIST : 1;
  return 1 + items * childComplexity;
}

/** @throws {DocumentRefused} when a list in the variables, at any depth, is longer than any operation takes. */
function refuseLongLists(variables: unknown): void {
  const open: unknown[] = [variables];
  while (open.length > 0) {
    const item = open.pop();
    if (typeof item !== 'object' || item === null) continue;
    if (Array.isArray(item) && item.length > MAX_LIST) {
      throw new DocumentRefused(`A list in the variables has more than ${MAX_LIST} items.`);
    }
    for (const inner of Object.values(item)) open.push(inner);
  }
}
