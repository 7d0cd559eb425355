import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type SelectionSetNode,
} from 'graphql';

/** Returns the fragment of a name; null or undefined where the document defines none. */
export type FragmentOf = (name: string) => FragmentDefinitionNode | null | undefined;

/** Indexes the fragments of a document. Only for use outside of validation, whose context has its own index. */
export function fragmentsOf(document: DocumentNode): FragmentOf {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  return (name) => fragments.get(name);
}

export interface FieldWalk {
  readonly fragmentOf: FragmentOf;
  /** Weighs a field. `below` gives the sum of the fields inside of it; they do not count unless it is called. */
  readonly weigh: (field: FieldNode, below: () => number) => number;
  /** The greatest sum that matters. Fragments that double one another can exceed the range of numbers. */
  readonly upTo: number;
}

/**
 * Sums the weights of the fields of a selection and of its fragments. Every use of a fragment counts, but `weigh` sees
 * each field once, so nested fragments cost no more than their text.
 * @returns the sum of a selection; any number above `upTo` when the sum is greater than `upTo`.
 */
export function fieldSum({ fragmentOf, weigh, upTo }: FieldWalk): (set: SelectionSetNode) => number {
  const ofFragments = new Map<string, number>();
  const ofFragment = (name: string): number => {
    const known = ofFragments.get(name);
    if (known !== undefined) return known;
    ofFragments.set(name, 0); // A cycle ends here; a rule of the specification refuses it.
    const fragment = fragmentOf(name);
    const found = fragment ? Math.min(upTo + 1, sum(fragment.selectionSet)) : 0;
    ofFragments.set(name, found);
    return found;
  };
  const sum = ({ selections }: SelectionSetNode): number => {
    let total = 0;
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) total += ofFragment(selection.name.value);
      else if (selection.kind === Kind.INLINE_FRAGMENT) total += sum(selection.selectionSet);
      else {
        const { selectionSet } = selection;
        total += weigh(selection, () => (selectionSet ? sum(selectionSet) : 0));
      }
    }
    return total;
  };
  return sum;
}
