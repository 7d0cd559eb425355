import {
  type ASTVisitor,
  type DocumentNode,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { fieldSum } from '../fragments.ts';
import { DocumentRefused } from './document-refused.ts';

/** Fields that a document may name. The introspection of common tools names about a hundred. */
const MAX_FIELDS = 300;
/**
 * Times that a document may use one name. Fields of one name are compared in pairs, so their cost grows with the
 * square.
 */
const MAX_REPETITIONS = 50;
/** Uses of fragments in a document. Fragments of one selection are compared in pairs too, with all their fields. */
const MAX_SPREADS = 50;
/** Characters of the name or alias of a field. Real code has shorter ones, and error messages contain the name. */
const MAX_NAME_LENGTH = 200;
/** Nesting of lists and objects in a value. The deepest input of the schema has two levels. */
const MAX_VALUE_DEPTH = 10;
/** Root fields of an operation. Each of them may guess a password or a code, and most mutations can. */
const MAX_ROOT_FIELDS = { query: 20, mutation: 5, subscription: 1 } as const;
/** Fields, where every use of a fragment counts. It stops fragments that double one another. */
const MAX_EXPANSION = 1_000;

/** Checks limits that the armor rules do not have. */
export function documentShape(context: ValidationContext): ASTVisitor {
  const valueDepth = countedDepth();
  return {
    Document(document) {
      countFields(document);
      for (const definition of document.definitions) {
        if (definition.kind === Kind.OPERATION_DEFINITION) refuseExpansion(context, definition);
      }
    },
    ListValue: valueDepth,
    ObjectValue: valueDepth,
  };
}

function countedDepth() {
  let depth = 0;
  return {
    enter() {
      depth += 1;
      if (depth > MAX_VALUE_DEPTH)
        throw new DocumentRefused(`A value is nested deeper than ${MAX_VALUE_DEPTH} levels.`);
    },
    leave() {
      depth -= 1;
    },
  };
}

/** Counts the fields and spreads of the text; fragments are not followed. */
function countFields(document: DocumentNode): void {
  const repetitions = new Map<string, number>();
  let fields = 0;
  let spreads = 0;
  const count = (set: SelectionSetNode): void => {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const name = selection.alias?.value ?? selection.name.value;
        const times = (repetitions.get(name) ?? 0) + 1;
        repetitions.set(name, times);
        fields += 1;
        if (name.length > MAX_NAME_LENGTH)
          throw new DocumentRefused(`The name of a field has more than ${MAX_NAME_LENGTH} characters.`);
        if (fields > MAX_FIELDS)
          throw new DocumentRefused(`The document has more than ${MAX_FIELDS} fields.`);
        if (times > MAX_REPETITIONS) {
          throw new DocumentRefused(`The document has more than ${MAX_REPETITIONS} fields of one name.`);
        }
      }
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        spreads += 1;
        if (spreads > MAX_SPREADS)
          throw new DocumentRefused(`The document uses fragments more than ${MAX_SPREADS} times.`);
      } else if (selection.selectionSet) count(selection.selectionSet);
    }
  };
  for (const definition of document.definitions) {
    if ('selectionSet' in definition) count(definition.selectionSet);
  }
}

function refuseExpansion(
  context: ValidationContext,
  { operation, selectionSet }: OperationDefinitionNode,
): void {
  const fragmentOf = (name: string) => context.getFragment(name);
  const limit = MAX_ROOT_FIELDS[operation];
  const rootFields = fieldSum({ fragmentOf, weigh: () => 1, upTo: limit });
  if (rootFields(selectionSet) > limit) {
    throw new DocumentRefused(
      `A ${operation} may have at most ${limit} root field${limit === 1 ? '' : 's'}.`,
    );
  }
  const allFields = fieldSum({ fragmentOf, weigh: (_field, below) => 1 + below(), upTo: MAX_EXPANSION });
  if (allFields(selectionSet) > MAX_EXPANSION) {
    throw new DocumentRefused(`The fragments of the document come to more than ${MAX_EXPANSION} fields.`);
  }
}
