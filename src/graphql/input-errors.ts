import {
  type ASTNode,
  coerceInputValue,
  type DocumentNode,
  GraphQLError,
  type GraphQLInputType,
  type GraphQLNamedInputType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInputType,
  isNonNullType,
  Kind,
  type OperationDefinitionNode,
  typeFromAST,
  type VariableDefinitionNode,
} from 'graphql';
import { BadUserInput, type FieldProblem } from '../platform/errors.ts';
import { executedDefinitions, type Path, printed, typeAt, type ValueUses, valueUses } from './value-uses.ts';

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
  const uses = valueUses(schema, document.definitions);
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
  const uses = valueUses(schema, executedDefinitions(document, operation));
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

function problemsOfLiteral(error: GraphQLError, uses: ValueUses): FieldProblem[] {
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

function firstOfEachField(problems: Iterable<FieldProblem>): FieldProblem[] {
  const first = new Map<string, FieldProblem>();
  for (const problem of problems) {
    if (!first.has(problem.field)) first.set(problem.field, problem);
    if (first.size >= MAX_FIELDS) break;
  }
  return [...first.values()];
}
