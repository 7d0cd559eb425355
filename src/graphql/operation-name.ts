import type { ApolloServerPlugin } from '@apollo/server';
import type { DocumentNode, OperationDefinitionNode } from 'graphql';
import type { RequestContext } from '../platform/request/index.ts';
import { tracing } from '../platform/telemetry/index.ts';
import { fieldSum, fragmentsOf } from './fragments.ts';

/** Notes the operation of a request for the log, and the time from which several of its fields are executed. */
export const operationNote: ApolloServerPlugin<RequestContext> = {
  async requestDidStart() {
    return {
      async didResolveOperation({ document, operation, contextValue }) {
        if (!operation) return;
        const name = operationName(document, operation);
        contextValue.facts.operation = name;
        nameSpan(operation.operation, name);
        if (name.includes(',')) contextValue.severalFieldsSince = performance.now();
      },
    };
  },
};

function nameSpan(type: string, name: string): void {
  const span = tracing().current();
  span.rename(`${type} ${name}`);
  span.set({ 'graphql.operation.type': type, 'graphql.operation.name': name });
}

/**
 * Names the root fields of an operation as in the schema, each once: `login`, or `auditEvents,users`. The limits of
 * documents allow at most twenty. The name that the client gave the operation is not used, since the log repeats no
 * text of a client.
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
