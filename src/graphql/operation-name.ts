import type { ApolloServerPlugin } from '@apollo/server';
import { type DocumentNode, Kind, type OperationDefinitionNode, type SelectionSetNode } from 'graphql';
import type { RequestContext } from '../platform/request/index.ts';

/** Notes for the log what a request asks for. */
export const operationNote: ApolloServerPlugin<RequestContext> = {
  async requestDidStart() {
    return {
      async didResolveOperation({ document, operation, contextValue }) {
        if (operation) contextValue.facts.operation = operationName(document, operation);
      },
    };
  },
};

/**
 * The root fields of an operation, as the schema names them, each once: `login`, or `auditEvents,users`; twenty at most, by
 * the limits of documents. Not the name that the client gave the operation, since the log repeats no text of a client.
 */
export function operationName(document: DocumentNode, operation: OperationDefinitionNode): string {
  const names = new Set<string>();
  const visited = new Set<string>();
  const collect = ({ selections }: SelectionSetNode): void => {
    for (const node of selections) {
      if (node.kind === Kind.FIELD) names.add(node.name.value);
      else if (node.kind === Kind.INLINE_FRAGMENT) collect(node.selectionSet);
      else if (!visited.has(node.name.value)) {
        visited.add(node.name.value);
        for (const definition of document.definitions) {
          const isIt =
            definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === node.name.value;
          if (isIt) collect(definition.selectionSet);
        }
      }
    }
  };
  collect(operation.selectionSet);
  return [...names].join();
}
