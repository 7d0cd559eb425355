import type { ApolloServerPlugin } from '@apollo/server';
import type { DocumentNode, OperationDefinitionNode } from 'graphql';
import type { RequestContext } from '../platform/request/index.ts';
import { fieldSum, fragmentsOf } from './fragments.ts';

/** Notes for the log what a request asks for, and since when several fields of it are executed. */
export const operationNote: ApolloServerPlugin<RequestContext> = {
  async requestDidStart() {
    return {
      async didResolveOperation({ document, operation, contextValue }) {
        if (!operation) return;
        const name = operationName(document, operation);
        contextValue.facts.operation = name;
        if (name.includes(',')) contextValue.severalFieldsSince = performance.now();
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
  const note = fieldSum({
    fragmentOf: fragmentsOf(document),
    weigh({ name }) {
      names.add(name.value);
      return 0;
    },
    upTo: 0,
  });
  note(operation.selectionSet);
  return [...names].join();
}
