import {
  type ASTNode,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLInputType,
  type GraphQLNamedInputType,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  Kind,
  type OperationDefinitionNode,
  TypeInfo,
  type ValueNode,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { fragmentsOf } from './fragments.ts';

/** The path of a value from its argument: names of fields, and indexes of lists. */
export type Path = readonly (string | number)[];

/** The places of values in a document. */
export interface ValueUses {
  /** Paths from the argument to each use of a variable, without repetition. */
  ofVariable(name: string): readonly Path[];
  /** The paths of a literal; several where it is the default of a variable. */
  ofNode(node: ASTNode): {
    readonly paths: readonly Path[];
    readonly type: GraphQLNamedInputType | undefined;
  };
}

/**
 * Finds the places of all values in the arguments of some definitions. Visits each argument once; a document has at most
 * MAX_TOKENS tokens.
 */
export function valueUses(schema: GraphQLSchema, definitions: Iterable<DefinitionNode>): ValueUses {
  const variables = new Map<string, Map<string, Path>>();
  const nodes = new Map<
    ASTNode,
    { path: Path; type: GraphQLNamedInputType | undefined; variable?: string }
  >();
  const look = (
    node: ValueNode,
    path: Path,
    type: GraphQLNamedInputType | undefined,
    variable?: string,
  ): void => {
    if (node.kind === Kind.VARIABLE) {
      const paths = variables.get(node.name.value) ?? new Map<string, Path>();
      variables.set(node.name.value, paths.set(printed(path), path));
      return;
    }
    const place = { type, ...(variable !== undefined && { variable }) };
    nodes.set(node, { ...place, path });
    if (node.kind === Kind.LIST) {
      for (const [index, item] of node.values.entries()) look(item, [...path, index], type, variable);
    }
    if (node.kind !== Kind.OBJECT) return;
    for (const field of node.fields) {
      const inner = [...path, field.name.value];
      nodes.set(field, { ...place, path: inner });
      look(field.value, inner, fieldType(type, field.name.value), variable);
    }
  };

  const types = new TypeInfo(schema);
  const visitor = visitWithTypeInfo(types, {
    Argument({ name, value }) {
      look(value, [name.value], namedType(types.getInputType()));
      return false;
    },
    VariableDefinition({ variable, defaultValue }) {
      if (defaultValue) look(defaultValue, [], namedType(types.getInputType()), variable.name.value);
    },
  });
  for (const definition of definitions) visit(definition, visitor);

  const ofVariable = (name: string): readonly Path[] => [...(variables.get(name)?.values() ?? [])];
  return {
    ofVariable,
    ofNode: (node) => {
      const found = nodes.get(node);
      if (!found) return { paths: [], type: undefined };
      const { path, type, variable } = found;
      if (variable === undefined) return { paths: [path], type };
      return { paths: ofVariable(variable).map((use) => [...use, ...path]), type };
    },
  };
}

/** Lists the operation with the fragments that it uses. */
export function executedDefinitions(
  document: DocumentNode,
  operation: OperationDefinitionNode,
): Iterable<DefinitionNode> {
  const fragmentOf = fragmentsOf(document);
  const reached = new Set<DefinitionNode>([operation]);
  for (const definition of reached) {
    visit(definition, {
      FragmentSpread({ name }) {
        const fragment = fragmentOf(name.value);
        if (fragment) reached.add(fragment);
      },
    });
  }
  return reached;
}

const namedType = (type: GraphQLInputType | null | undefined): GraphQLNamedInputType | undefined =>
  type ? getNamedType(type) : undefined;

const fieldType = (
  type: GraphQLNamedInputType | undefined,
  field: string,
): GraphQLNamedInputType | undefined =>
  isInputObjectType(type) ? namedType(type.getFields()[field]?.type) : undefined;

/** The type at a path. An index is ignored, since all items of a list have one type. */
export const typeAt = (type: GraphQLInputType, path: Path): GraphQLNamedInputType | undefined =>
  path.reduce<GraphQLNamedInputType | undefined>(
    (at, step) => (typeof step === 'number' ? at : fieldType(at, step)),
    namedType(type),
  );

/** Prints a path, such as `input.permissions[0]`. */
export const printed = (path: Path): string =>
  path
    .map((step, depth) => (typeof step === 'number' ? `[${step}]` : `${depth > 0 ? '.' : ''}${step}`))
    .join('');
