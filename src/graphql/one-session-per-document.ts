import {
  type ASTVisitor,
  GraphQLError,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';

/**
 * A document holds at most one field that issues a session: two would overwrite each other's cookies, and fifty
 * aliased logins would be fifty guesses in one request. Fields are marked by the extension `issuesSession`.
 */
export function oneSessionPerDocument(context: ValidationContext): ASTVisitor {
  const fields = context.getSchema().getMutationType()?.getFields() ?? {};
  /** Each fragment is counted once, so that nested ones cost no more than their text. */
  const ofFragments = new Map<string, number>();

  const countSet = (set: SelectionSetNode): number =>
    set.selections.reduce((sum, node) => sum + count(node), 0);

  const countFragment = (name: string): number => {
    const known = ofFragments.get(name);
    if (known !== undefined) return known;
    ofFragments.set(name, 0); // A cycle ends here; another rule refuses it.
    const fragment = context.getFragment(name);
    const found = fragment ? Math.min(2, countSet(fragment.selectionSet)) : 0;
    ofFragments.set(name, found);
    return found;
  };

  const count = (node: SelectionNode): number => {
    if (node.kind === Kind.FRAGMENT_SPREAD) return countFragment(node.name.value);
    if (node.kind === Kind.INLINE_FRAGMENT) return countSet(node.selectionSet);
    return fields[node.name.value]?.extensions.issuesSession === true ? 1 : 0;
  };

  return {
    OperationDefinition(node) {
      if (node.operation === 'mutation' && countSet(node.selectionSet) > 1) {
        context.reportError(
          new GraphQLError('A document may hold only one field that issues a session.', {
            nodes: [node.name ?? node],
          }),
        );
      }
    },
  };
}
