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

/** Fields that a reply may have: a page of a hundred accounts with everything about them takes about 10,000. */
const MAX_COST = 25_000;
/** Items of a list whose length no argument gives: the roles of an account, the sessions of a person. */
const USUAL_LIST = 5;
/** Items of a list in the variables: no operation takes more. */
const MAX_LIST = 500;

/** Bounds what is asked for as soon as the variables are known. */
export function costLimit(schema: GraphQLSchema): ApolloServerPlugin<RequestContext> {
  /** Found within the limit, whatever the variables. Apollo keeps the documents that it has parsed. */
  const affordable = new WeakSet<OperationDefinitionNode>();
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operation, request: { variables } }) {
          refuseLongLists(variables);
          // Before they are coerced for the cost, without bounds, and again by the execution.
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
 * A page counts with the length that was asked for.
 * @throws {DocumentRefused} the reply would have too many fields.
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
    // An argument that becomes null by its variable fails its field alone: the others would go on, uncounted.
    throw new DocumentRefused('An argument of the document is null where it must not be.');
  }
  if (cost > MAX_COST)
    throw new DocumentRefused('The document asks for too much at once: ask for smaller pages.');
}

/** Pages take their length as an Int, directives their condition as a Boolean, and a null may fail what it stands for. */
const mayDecideCost = ({ type }: VariableDefinitionNode): boolean =>
  type.kind !== Kind.NON_NULL_TYPE ||
  (type.type.kind === Kind.NAMED_TYPE && ['Int', 'Boolean'].includes(type.type.name.value));

function estimate({ args, childComplexity, field }: ComplexityEstimatorArgs): number {
  const { first } = args as { first?: unknown };
  const isList = isListType(getNullableType(field.type));
  const items = typeof first === 'number' ? Math.max(1, first) : isList ? USUAL_LIST : 1;
  return 1 + items * childComplexity;
}

/** @throws {DocumentRefused} a list in the variables, at any depth, is longer than any operation takes. */
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
