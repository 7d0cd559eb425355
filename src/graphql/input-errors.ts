import {
  type ASTNode,
  coerceInputValue,
  type DefinitionNode,
  type DocumentNode,
  GraphQLError,
  type GraphQLInputType,
  type GraphQLNamedInputType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInputType,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  TypeInfo,
  typeFromAST,
  type ValueNode,
  type VariableDefinitionNode,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { BadUserInput, type FieldProblem } from '../platform/errors.ts';
import { fragmentsOf } from './fragments.ts';

/** Fields that one reply names. No operation takes more. */
const MAX_FIELDS = 20;

/**
 * Replaces all validation errors about literals by one BadUserInput. It names every field by its path from the
 * argument, such as `input.email`, with one sentence each. Other errors stay, and come first.
 */
export function withInputErrors(
  errors: readonly GraphQLError[],
  { schema, document }: { readonly schema: GraphQLSchema; readonly document: DocumentNode | undefined },
): readonly GraphQLError[] {
  const aboutValues = errors.filter(isAboutLiteral);
  if (aboutValues.length === 0 || !document) return errors;
  const uses = usesOfValues(schema, document.definitions);
  const fields = firstOfEachField(aboutValues.flatMap((error) => problemsOfLiteral(error, uses)));
  if (fields.length === 0) return errors;
  const others = errors.filter((error) => !aboutValues.includes(error) && !isEndOfList(error));
  return [
    ...others,
    badInput(
      fields,
      aboutValues.flatMap(({ nodes }) => nodes ?? []),
    ),
  ];
}

/**
 * Checks all variables before graphql-js does. graphql-js makes an error for each problem, names it by the client's own
 * name of the variable and prints the whole value: 1,500 unknown fields take it 0.4 s.
 * @returns one BadUserInput that names every field by its path from the arguments that use the variable; null when all
 * are valid.
 */
export function badVariables({
  schema,
  document,
  operation,
  variables,
}: {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>> | null | undefined;
}): GraphQLError | null {
  const bad = (operation.variableDefinitions ?? [])
    .map((definition) => ({ definition, problems: problemsOfVariable(schema, definition, variables ?? {}) }))
    .filter(({ problems }) => problems.length > 0);
  if (bad.length === 0) return null;
  const uses = usesOfValues(schema, executed(document, operation));
  const fields = firstOfEachField(
    (function* () {
      for (const { definition, problems } of bad) {
        const paths = uses.ofVariable(definition.variable.name.value);
        for (const { path, message } of problems) {
          for (const use of paths) yield { field: printed([...use, ...path]), message };
        }
      }
    })(),
  );
  return badInput(
    fields,
    bad.map(({ definition }) => definition),
  );
}

const badInput = (fields: readonly FieldProblem[], nodes: readonly ASTNode[]): GraphQLError => {
  const originalError = new BadUserInput(fields);
  const { code, extensions, message } = originalError;
  return new GraphQLError(message, {
    nodes: nodes.slice(0, MAX_FIELDS),
    originalError,
    extensions: { ...extensions, code, http: { status: 400 } },
  });
};

/** Whether an error comes from the rules ValuesOfCorrectType and ProvidedRequiredArguments. */
const isAboutLiteral = (error: GraphQLError): boolean => {
  const [node, ...more] = error.nodes ?? [];
  if (!node || more.length > 0 || error.path) return false;
  return VALUES.has(node.kind) || missingArgument(error) !== undefined;
};

const VALUES: ReadonlySet<Kind> = new Set([
  Kind.STRING,
  Kind.INT,
  Kind.FLOAT,
  Kind.BOOLEAN,
  Kind.NULL,
  Kind.ENUM,
  Kind.LIST,
  Kind.OBJECT,
  Kind.OBJECT_FIELD,
]);

/** Whether the error says that graphql-js stopped looking for more. */
const isEndOfList = ({ nodes, message }: GraphQLError): boolean =>
  !nodes && /^Too many (validation )?errors/.test(message);

const missingArgument = ({ nodes, message }: GraphQLError): string | undefined =>
  nodes?.[0]?.kind === Kind.FIELD
    ? /^Field "\w+" argument "(\w+)" of type .* is required, but it was not provided\.$/.exec(message)?.[1]
    : undefined;

type Path = readonly (string | number)[];

/** The places of values in a document. */
interface Uses {
  /** Paths from the argument to each use of a variable, without repetition. */
  ofVariable(name: string): readonly Path[];
  /** The paths of a literal; several where it is the default of a variable. */
  ofNode(node: ASTNode): {
    readonly paths: readonly Path[];
    readonly type: GraphQLNamedInputType | undefined;
  };
}

/** Visits each argument of the executed definitions once. A document has at most MAX_TOKENS tokens. */
function usesOfValues(schema: GraphQLSchema, definitions: Iterable<DefinitionNode>): Uses {
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
function executed(document: DocumentNode, operation: OperationDefinitionNode): Iterable<DefinitionNode> {
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

interface Problem {
  readonly path: Path;
  readonly message: string;
}

/** Works like `coerceVariableValues` of graphql-js, which keeps neither path nor type outside of its message. */
function problemsOfVariable(
  schema: GraphQLSchema,
  { variable, type: typeNode, defaultValue }: VariableDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): readonly Problem[] {
  const name = variable.name.value;
  const type = typeFromAST(schema, typeNode) as GraphQLInputType | undefined;
  if (!isInputType(type)) return [];
  if (!Object.hasOwn(variables, name)) {
    return isNonNullType(type) && !defaultValue ? [{ path: [], message: REQUIRED }] : [];
  }
  const problems: Problem[] = [];
  try {
    coerceInputValue(
      variables[name],
      type,
      (path, _value, error) => {
        problems.push(problemOf(error, path, typeAt(type, path)));
        if (problems.length >= MAX_FIELDS) throw ENOUGH;
      },
      true,
    );
  } catch (error) {
    if (error !== ENOUGH) throw error;
  }
  return problems;
}

const ENOUGH = new Error('enough problems were found');

function problemsOfLiteral(error: GraphQLError, uses: Uses): FieldProblem[] {
  const argument = missingArgument(error);
  if (argument !== undefined) return [{ field: argument, message: REQUIRED }];
  const node = error.nodes?.[0];
  if (!node) return [];
  const { paths, type } = uses.ofNode(node);
  if (node.kind === Kind.OBJECT_FIELD)
    return paths.map((path) => ({ field: printed(path), message: UNKNOWN }));
  const problem = node.kind === Kind.NULL ? { path: [], message: REQUIRED } : problemOf(error, [], type);
  return paths.map((path) => ({ field: printed([...path, ...problem.path]), message: problem.message }));
}

const REQUIRED = 'This is required.';
const UNKNOWN = 'There is no such field.';

/** Takes only the names of fields from the message of graphql-js. The rest of it may contain values. */
function problemOf({ message }: GraphQLError, path: Path, type: GraphQLNamedInputType | undefined): Problem {
  const missing = /^Field "(?:\w+\.)?(\w+)" of required type /.exec(message)?.[1];
  if (missing !== undefined) return { path: [...path, missing], message: REQUIRED };
  if (/^Expected non-nullable type /.test(message)) return { path, message: REQUIRED };
  if (/^Field ".*" is not defined by type "\w+"\.$/s.test(message)) {
    const unknown = /^Field "([_A-Za-z]\w{0,63})" /.exec(message)?.[1];
    if (unknown !== undefined) return { path: [...path, unknown], message: UNKNOWN };
    return { path, message: 'This has a field that does not exist.' };
  }
  return { path, message: sentenceOf(type) };
}

const SENTENCES: Readonly<Record<string, string>> = {
  String: 'This must be a text.',
  ID: 'This must be a text.',
  EmailAddress: 'This must be a text.',
  Int: 'This must be a whole number of at most 32 bits.',
  Float: 'This must be a number.',
  Boolean: 'This must be true or false.',
  DateTime: 'This must be a time, such as 2026-01-31T12:00:00Z.',
};

function sentenceOf(type: GraphQLNamedInputType | undefined): string {
  if (isInputObjectType(type)) return 'This must be an object.';
  if (isEnumType(type)) return `This must be a value of the enum ${type.name}.`;
  return SENTENCES[type?.name ?? ''] ?? 'This is not a valid value.';
}

const namedType = (type: GraphQLInputType | null | undefined): GraphQLNamedInputType | undefined =>
  type ? getNamedType(type) : undefined;

const fieldType = (
  type: GraphQLNamedInputType | undefined,
  field: string,
): GraphQLNamedInputType | undefined =>
  isInputObjectType(type) ? namedType(type.getFields()[field]?.type) : undefined;

/** The type at a path. An index is ignored, since all items of a list have one type. */
const typeAt = (type: GraphQLInputType, path: Path): GraphQLNamedInputType | undefined =>
  path.reduce<GraphQLNamedInputType | undefined>(
    (at, step) => (typeof step === 'number' ? at : fieldType(at, step)),
    namedType(type),
  );

/** Prints a path, such as `input.permissions[0]`. */
const printed = (path: Path): string =>
  path
    .map((step, depth) => (typeof step === 'number' ? `[${step}]` : `${depth > 0 ? '.' : ''}${step}`))
    .join('');

function firstOfEachField(problems: Iterable<FieldProblem>): FieldProblem[] {
  const first = new Map<string, FieldProblem>();
  for (const problem of problems) {
    if (!first.has(problem.field)) first.set(problem.field, problem);
    if (first.size >= MAX_FIELDS) break;
  }
  return [...first.values()];
}
