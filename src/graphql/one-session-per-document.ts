import { type ASTVisitor, GraphQLError, type ValidationContext } from 'graphql';
import { fieldSum } from './fragments.ts';

/**
 * Allows at most one field that issues a session in a document. Two would overwrite each other's cookies, and fifty
 * aliased logins would be fifty guesses in one request. The extension `issuesSession` marks such fields.
 */
export function oneSessionPerDocument(context: ValidationContext): ASTVisitor {
  const fields = context.getSchema().getMutationType()?.getFields() ?? {};
  const sessions = fieldSum({
    fragmentOf: (name) => context.getFragment(name),
    weigh: ({ name }) => (fields[name.value]?.extensions.issuesSession === true ? 1 : 0),
    upTo: 1,
  });

  return {
    OperationDefinition(node) {
      if (node.operation === 'mutation' && sessions(node.selectionSet) > 1) {
        context.reportError(
          new GraphQLError('A document may hold only one field that issues a session.', {
            nodes: [node.name ?? node],
          }),
        );
      }
    },
  };
}
